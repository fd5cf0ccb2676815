"""A canary whose runs were recorded before: real bundles, judged for real, in sessions of pytest that send no load.

Used as ``-p recorded_canary`` in processes of their own; ``canary.run(VERDICT)`` records a run that gets this verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from recorded import plan, record, samples

from harness import gate
from harness.judge.objectives import parse_objective
from harness.model.record import Record, Rollback
from harness.model.samples import CANARY

if TYPE_CHECKING:
    from harness.model.verdict import Analysis
    from harness.plugin.subjects import Canary

OBJECTIVES = ("latency_p50 < +50%", "error_rate < +9pp")
SLOWER = {"pass": 1.0, "marginal": 1.5, "fail": 5.0, "inconclusive": 1.0}


def recorded(verdict: str, scenario: str) -> Record:
    """Return the record of a run that the judge gives this verdict."""
    made = samples()
    made = replace(made, latency_s=made.latency_s * (1 + (SLOWER[verdict] - 1) * (made.arm == CANARY)))
    verified = verdict != "inconclusive"
    objectives = tuple(map(parse_objective, OBJECTIVES))
    return record(
        plan=replace(plan(), scenario=scenario, objectives=objectives),
        samples=made,
        rollbacks=(Rollback(change="split", verified=verified, seconds=0.01),),
    )


@pytest.fixture(scope="session", autouse=True)
def _recorded() -> Iterator[None]:
    from harness.plugin import subjects  # noqa: PLC0415 - the plugin loads its heavy parts with the fixtures

    def run(canary: Canary, verdict: str) -> Analysis:
        test = canary._test
        return canary._told(gate.judge_record(recorded(verdict, test.name), test.next_folder(), "sequential"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects.Canary, "run", run)
        yield
