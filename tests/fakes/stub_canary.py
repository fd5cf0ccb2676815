"""A canary whose verdicts a test chooses, for sessions of pytest that send no load. Used as ``-p stub_canary``.

Loads the harness when the first test runs, so that a session without one, such as the controller of xdist, is cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.gate import Outcome
    from harness.model.verdict import Analysis
    from harness.plugin.subjects import Canary


def analysis(verdict: str) -> Analysis:
    """Return an analysis with this verdict and nothing else."""
    from harness.model.verdict import Analysis, Verdict  # noqa: PLC0415

    return Analysis(
        verdict=Verdict(verdict), reason=f"stubbed {verdict}", score=50.0, findings=(), judge="limits",
        alpha=0.05, decided_at_s=1.0, final=True,
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _stubbed() -> Iterator[None]:
    """Let ``canary.run(load=VERDICT)`` give that verdict at once, without a record."""
    from harness.gate import Outcome  # noqa: PLC0415
    from harness.plugin import options, reporting, subjects  # noqa: PLC0415

    def run(canary: Canary, verdict: str) -> Analysis:
        outcome = Outcome(record=None, analysis=analysis(verdict), folder=Path("nowhere"))
        return canary._told(outcome)

    def attach(report: pytest.TestReport, item: pytest.Item, outcomes: list[Outcome]) -> None:
        item.user_properties += [("harness.verdict", outcome.analysis.verdict.value) for outcome in outcomes]
        report.user_properties = list(item.user_properties)
        report.harness_told = [
            {
                "verdict": verdict,
                "text": f"TEXT {verdict} {item.nodeid}",
                "markdown": f"MARKDOWN {verdict} {item.nodeid}",
                "reason": f"stubbed {verdict}",
                "score": "50.0",
                "cells": f'<td class="col-verdict">{verdict}</td>\n<td class="col-deviation"></td>',
            }
            for verdict in (outcome.analysis.verdict.value for outcome in outcomes)
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects.Canary, "run", run)
        patch.setattr(reporting, "attach", attach)
        patch.setattr(options.Session, "begin", lambda _: None)
        patch.setattr("harness.plugin.fixtures._again", lambda *_: "again")
        yield
