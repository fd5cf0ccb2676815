"""Verdicts, and the analysis that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from harness.errors import CanaryInconclusive, CanaryMarginal, CanaryRegression
from harness.model.objective import Objective


class Verdict(StrEnum):
    """The four answers that a run can give. A verdict has no truth value, because four answers do not fit in two."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    MARGINAL = "marginal"
    INCONCLUSIVE = "inconclusive"

    def __bool__(self) -> NoReturn:
        raise TypeError(f"a verdict has four values and no truth value; compare it: verdict is Verdict.{self.name}")

    @property
    def exit_code(self) -> int:
        """The exit code that a pipeline decides by."""
        return {"pass": 0, "fail": 1, "marginal": 10, "inconclusive": 11}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value of one arm in the indicator's unit, and the number of requests or readings it was computed from."""

    value: float
    n: int


WATCHED = "watched"
"""What people read of a pass in a phase that is too short to judge: no harm was seen, and none was excluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One objective in one phase.

    difference, low, high: canary minus baseline with its interval, as a share of the baseline if ``relative`` (0.1 is
    +10 %), otherwise in the indicator's unit; None without an estimate.
    confidence: of the interval, in (0, 1). margin: the tolerance in the same unit as ``difference``.
    score: 0 to 100, the confidence of being within tolerance. weight: its share of the total score.
    points_lost: how much it lowered the total score.
    missing: what would settle an inconclusive finding, such as a number of requests. watched: whether the phase is too
    short to show that there is no harm, so that a pass says only that none was seen.
    """

    objective: Objective
    phase: str
    baseline: Estimate | None
    canary: Estimate | None
    difference: float | None
    low: float | None
    high: float | None
    relative: bool
    confidence: float
    margin: float | None
    verdict: Verdict
    reason: str
    score: float = 0.0
    weight: float = 0.0
    points_lost: float = 0.0
    missing: str = ""
    smallest_visible: float | None = None
    method: str = ""
    watched: bool = False

    @property
    def label(self) -> str:
        """What people and programs read: the verdict, or that the phase was only watched."""
        return WATCHED if self.watched and self.verdict is Verdict.PASS else str(self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether something that the verdict depends on really happened.

    expected and observed are texts with numbers and units; remedy says what to do if the proof failed.
    """

    name: str
    held: bool
    expected: str
    observed: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A judge's answer, ``decided_at_s`` seconds into the run. Warnings are for people.

    judged_by: the version of the harness and of its judges; empty in records of formats 1 and 2. probable_cause: the
    hop that explains the difference between the arms best, as a sentence; empty if none differs beyond chance.
    """

    verdict: Verdict
    reason: str
    score: float
    findings: tuple[Finding, ...]
    judge: str
    alpha: float
    decided_at_s: float
    final: bool
    proofs: tuple[Proof, ...] = ()
    warnings: tuple[str, ...] = ()
    judged_by: str = ""
    probable_cause: str = ""

    def __bool__(self) -> NoReturn:
        raise TypeError("an analysis has no truth value; compare analysis.verdict or call require_pass()")

    def require_pass(self) -> None:
        """Raise the CanaryFinding (an AssertionError) for the verdict, unless it is pass."""
        if self.verdict is Verdict.PASS:
            return
        kinds = {
            Verdict.FAIL: CanaryRegression,
            Verdict.MARGINAL: CanaryMarginal,
            Verdict.INCONCLUSIVE: CanaryInconclusive,
        }
        raise kinds[self.verdict](f"{self.verdict}: {self.reason}")
