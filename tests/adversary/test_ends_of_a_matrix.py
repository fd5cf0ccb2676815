"""Try to make one fault of a matrix answer for another, by ending the run that they share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_run import FakeJudge
from test_matrix import FAULTS, shared_run

from harness.errors import ArmDeath, MeshGuard, WorkloadDeath
from harness.model.record import Record
from harness.model.samples import ARMS, CANARY, UNKNOWN_ARM
from harness.model.verdict import Analysis, Verdict
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


@pytest.mark.parametrize(
    ("silent_s", "verdicts"),
    [
        (3.0, [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]),
        (11.5, [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE]),
        (25.0, [Verdict.FAIL] * 3),
    ],
)
def test_a_canary_that_hangs_fails_under_the_fault_under_which_it_stopped_answering(
    tmp_path: Path, silent_s: float, verdicts: list[Verdict]
) -> None:
    """Nobody can be sure at once: the death is noticed in the second fault, and may have begun before."""
    death = WorkloadDeath(name="reviews-v3", labels={}, how="it hangs", log="", silent_s=silent_s)
    record = dying(tmp_path, death)
    parts = [replace(part, fault_counts=()) for part in taken_apart(record, 3)]
    assert verdicts == [decide(proven(part), FakeJudge(verdict=Verdict.PASS)).verdict for part in parts]


def test_what_a_death_breaks_is_no_doubt_about_the_fault_before(tmp_path: Path) -> None:
    """After it, answers reach no endpoint, have no mark and are late; the proxies have not counted the last ones yet."""
    death = WorkloadDeath(name="reviews-v3", labels={}, how="it hangs", log="out of cheese", silent_s=6.0)
    record = dying(tmp_path, death)
    samples, dead = record.samples, (record.samples.due_s > 28.0) & (record.samples.arm == CANARY)
    counted = {name: int((samples.arm == arm).sum()) for arm, name in enumerate(ARMS)}
    reached = {
        "baseline": {"a:1": counted["baseline"]},
        "canary": {"b:1": int(((samples.arm == CANARY) & ~dead).sum())},
    }
    unmarked = dead & (samples.due_s > record.phases[-1].end_s - 1.0)
    broken = replace(
        samples,
        status=np.where(unmarked, np.int16(0), np.where(dead, np.int16(503), samples.status)),
        arm=np.where(unmarked, np.int8(UNKNOWN_ARM), samples.arm),
        late_s=np.where(samples.due_s > 29.0, 0.5, samples.late_s),
    )
    first, second, _ = taken_apart(
        replace(
            record,
            samples=broken,
            proxy_requests={**counted, "canary": counted["canary"] - 19},
            endpoint_requests=reached,
        ),
        3,
    )
    assert [] == [event.text for event in first.events if event.kind == "shared"]
    analysis = decide(first, FakeJudge(verdict=Verdict.PASS))
    assert {name for name in failed(analysis) if not name.startswith("dose of")} == set()
    analysis = decide(second, FakeJudge(verdict=Verdict.PASS))
    assert "load on time" in failed(analysis)
    assert (Verdict.FAIL, True) == (analysis.verdict, "it hangs; out of cheese" in analysis.reason)


def test_a_route_that_was_changed_is_a_doubt_about_each_fault_in_spite_of_a_death(tmp_path: Path) -> None:
    """The proxies sent the canary's requests to the baseline's endpoint all the time."""
    record = dying(tmp_path, WorkloadDeath(name="reviews-v3", labels={}, how="exit code 3", log=""))
    reached = {"baseline": {"a:1": len(record.samples)}, "canary": {"b:1": 0}}
    for part in taken_apart(replace(record, endpoint_requests=reached), 3):
        assert [event.text for event in part.events if event.kind == "shared" and "arms differ, canary" in event.text]


def dying(folder: Path, death: WorkloadDeath) -> Record:
    """The record of three faults, the second of which lasts from 26 s to 36 s; at 33 s the canary is found dead."""
    record = shared_run(folder, _33=lambda world: setattr(world.mesh, "trouble", ArmDeath("canary", death)))
    assert record.load is not None
    latency_s = np.random.default_rng(1).uniform(0.01, 0.02, len(record.samples))
    samples = replace(record.samples, latency_s=latency_s)
    return replace(
        record,
        samples=samples,
        load=replace(record.load, counted=len(samples), planned=len(samples)),
        proxy_requests={},
    )


def proven(part: Record) -> Record:
    """The part without its fault, whose hits the fake mesh does not count."""
    phases = tuple(replace(phase, faults=()) for phase in part.plan.phases)
    return replace(part, plan=replace(part.plan, phases=phases))


def failed(analysis: Analysis) -> set[str]:
    """The names of the proofs that did not hold."""
    return {proof.name for proof in analysis.proofs if not proof.held}
