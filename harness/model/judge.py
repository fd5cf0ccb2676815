"""Settings of the judge: one value that travels whole from the configuration to the plan and the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LOWEST_CAP = 75.0
"""A run that a person has to decide about may score this much, if a pass needs more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """The judge of a run and its limits.

    name: the name that ``harness.wiring.judge`` knows the judge by. alpha: the whole run's probability of failing a
    canary that is no worse than its baseline. pass_score, marginal_score: the lowest scores, from 0 to 100, of a pass
    and of a marginal verdict. noise: how much equal builds differ in this environment, by indicator
    (``harness.judge.calibration``). noise_from: a description of the calibration that the noise comes from.
    baseline_error_ceiling: the largest error rate, in [0, 1], with which a baseline is still a reference in the steady
    phase.
    """

    name: str = "sequential"
    alpha: float = 0.01
    pass_score: float = 95.0
    marginal_score: float = 75.0
    noise: Mapping[str, float] = field(default_factory=dict)
    noise_from: str = ""
    baseline_error_ceiling: float = 0.1

    @property
    def undecided_cap(self) -> float:
        """The highest score of a marginal or inconclusive run, which a person has to decide about."""
        return max(min(max(self.marginal_score, LOWEST_CAP), self.pass_score - 0.1), 0.0)

    @property
    def marginal_floor(self) -> float:
        """The lowest score of a marginal verdict.

        Only a marginal line above ``LOWEST_CAP`` lifts a score: with the default line, recorded runs keep theirs.
        """
        return self.undecided_cap if self.marginal_score > LOWEST_CAP else 0.0
