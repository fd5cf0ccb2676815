"""Try to make one fault of a matrix answer for another, by ending the run that they share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import FakeJudge
from test_matrix import FAULTS, shared_run

from harness.errors import ArmDeath, MeshGuard, WorkloadDeath
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.runner.matrix import taken_apart


@pytest.mark.parametrize("second", ["_1", "_6"])
def test_a_canary_that_dies_before_any_fault_fails_under_each(tmp_path: Path, second: str) -> None:
    """It died in the warm-up or in the steady phase, which all faults share: no fault excuses it."""
    death = ArmDeath("canary", WorkloadDeath(name="reviews-v3", labels={}, how="it ended", log=""))
    record = shared_run(tmp_path, **{second: lambda world: setattr(world.mesh, "trouble", death)})
    verdicts = [decide(part, FakeJudge(verdict=Verdict.PASS)).verdict for part in taken_apart(record, 3)]
    assert [Verdict.FAIL] * 3 == verdicts


def test_what_is_reverted_at_the_end_of_the_run_is_on_the_timeline_of_its_own_fault(tmp_path: Path) -> None:
    """The second fault ended the run; the split was common to all."""
    stop = MeshGuard("too slow for everybody")
    record = shared_run(tmp_path, _33=lambda world: setattr(world.mesh, "trouble", stop))
    for number, part in enumerate(taken_apart(record, 3)):
        removed = {event.text.partition(": removing")[0] for event in part.events if "removing" in event.text}
        own = {str(FAULTS[number])} if number < 2 else set()
        assert own == {text for text in removed if not text.startswith("split")}
        assert removed - own
