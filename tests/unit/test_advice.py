"""Advice after a fail: a dependency without a timeout is named; only a replay tells what would have helped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import fault_count, record, samples

from harness import delay, scale, wiring
from harness.faults.recorded import fault_document
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.report import markdown, terminal
from harness.report.advice import not_on_a_laptop, replay_command, waits
from harness.runner.deciding import decide


def routed(**fields: Any) -> Any:
    """Ratings with one route."""
    http = [{"route": [{"destination": {"host": "ratings"}}], **fields}]
    metadata = {"name": "ratings", "namespace": "default"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"hosts": ["ratings"], "http": http}}


def failed(*resources: Any, hit: int = 150, share: float = 0.6) -> Record:
    """A run whose canary fails a share of its requests in the fault phase."""
    made = samples()
    bad = (made.due_s >= 12) & (made.due_s < 22) & (made.arm == 1)
    status = np.where(bad & (np.random.default_rng(1).random(len(made)) < share), 503, made.status).astype(np.int16)
    counts = (fault_count("baseline", hit=hit), fault_count("canary", hit=hit))
    return record(
        samples=replace(made, status=status), fault_counts=counts, resources={"before": resources, "after": resources}
    )


@pytest.mark.parametrize(
    ("made", "hosts"),
    [
        (failed(routed()), {"ratings": None}),
        (failed(), {"ratings": None}),
        (failed(routed(timeout="400ms")), {"ratings": 0.4}),
        (failed(routed(), hit=0), {}),
        (failed(routed(), share=0.0), {}),
    ],
    ids=["a route without a timeout", "no route", "a timeout", "no call was hit", "nothing failed"],
)
def test_a_dependency_is_named_after_a_fail_with_its_timeout(made: Record, hosts: dict[str, float | None]) -> None:
    """Only if its fault hit calls in the phase in which the canary failed."""
    assert hosts == waits(made, decide(made, wiring.judge("sequential")))


def test_a_fault_that_only_a_cluster_can_make_is_not_to_be_replayed() -> None:
    """What comes closest on this machine is named; the others can be replayed."""
    faults = [fault_document(fault) for fault in (delay("ratings", "1s"), scale("ratings", 0))]
    made = replace(record(), manifest={"scenario": {"faults": [*faults, {"kind": "of another package"}]}})
    expected = 'scale(ratings, 0): the local mesh cannot inject it, the cluster mesh can; kill("ratings") comes closest on the local mesh'
    assert [expected] == list(not_on_a_laptop(made))


def test_the_command_that_replays_a_run_works_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the whole path, quoted; what cannot be replayed has no command."""
    monkeypatch.chdir(tmp_path)
    expected = f"harness replay '{tmp_path}/my runs/slow'"
    assert expected == replay_command(record(), "my runs/slow")
    assert "" == replay_command(record(), "")
    impossible = replace(record(), manifest={"scenario": {"faults": [fault_document(scale("ratings", 0))]}})
    assert "" == replay_command(impossible, "my runs/slow")


def test_a_failed_run_prints_the_command_that_replays_it(tmp_path: Path) -> None:
    """In the terminal and in Markdown; a pass has none."""
    made = failed()
    analysis = replace(decide(made, wiring.judge("sequential")), verdict=Verdict.FAIL)
    command = f"harness replay {tmp_path}/slow"
    for render in (terminal.render, markdown.render):
        assert command in render(made, analysis, folder=tmp_path / "slow")
        assert "harness replay" not in render(made, replace(analysis, verdict=Verdict.PASS), folder=tmp_path / "slow")
