"""Interim looks of the judge during a run, so that a canary that is proven worse ends it early."""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.port import Evidence, Judge
from harness.model.phase import Phase
from harness.model.record import HARM_PROVEN, Plan
from harness.model.samples import Samples
from harness.model.verdict import Analysis, Verdict


class JudgeLooks:
    """Asks the judge at regular intervals about what has been recorded so far."""

    def __init__(self, judge: Judge, plan: Plan, *, every_s: float, end_run: bool = True) -> None:
        """every_s: seconds between two looks; the first one comes after that time too.

        end_run: whether harm that is proven ends the run; several faults that share a run are all tried.
        """
        self.end_run = end_run
        self._judge, self._plan, self._every_s = judge, plan, every_s
        self._next_s = every_s

    def look(self, samples: Samples, phases: Sequence[Phase], *, now_s: float) -> Analysis | None:
        """Return what the judge sees now, or None when no look is due yet.

        phases: the phases that have begun, the last one cut at ``now_s`` seconds after the first due request.
        """
        if now_s < self._next_s:
            return None
        self._next_s = now_s + self._every_s
        evidence = Evidence(samples=samples, phases=tuple(phases))
        return self._judge.judge(evidence, self._plan, now_s=now_s, final=False)


def harm(analysis: Analysis) -> str:
    """Return why the canary is proven worse, or an empty string."""
    return f"{HARM_PROVEN}: {analysis.reason}" if analysis.verdict is Verdict.FAIL else ""


def decided(analysis: Analysis, phase: str) -> bool:
    """Return whether every objective that is judged in a phase has been shown to be within tolerance or beyond it."""
    found = [each for each in analysis.findings if each.phase == phase and not each.objective.muted]
    return bool(found) and all(each.verdict in {Verdict.PASS, Verdict.FAIL} for each in found)
