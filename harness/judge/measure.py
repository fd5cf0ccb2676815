"""Measure one objective in one stretch of time: estimates, interval, and the tails behind every possible answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Scene
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.verdict import Estimate
from harness.stats.tails import t_quantile

_WIDEST = 25.0  # a factor of exp(25) between two values is no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Tail probabilities of three hypotheses: the smaller one is, the stronger is the evidence against it.

    harm: that the canary is no worse than the baseline (or, without a tolerance, than its limit).
    beyond: that the canary is within its tolerance and limit. within: that it is not.
    """

    harm: float
    beyond: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was observed about one objective. Units as in ``Finding``."""

    evidence: TailEvidence
    chances: Chances
    relative: bool
    difference: float | None
    margin: float | None

    @property
    def baseline(self) -> Estimate:
        """The baseline's value."""
        return self.evidence.baseline

    @property
    def canary(self) -> Estimate:
        """The canary's value."""
        return self.evidence.canary

    def interval(self, tail: float) -> tuple[float, float]:
        """Return the differences that a test with probability ``tail`` on either side does not reject."""
        return self.evidence.interval(tail, relative=self.relative)

    def error(self, limits: tuple[float, float], tail: float) -> float | None:
        """Return the difference's standard error (its logarithm's when relative), from its interval with ``tail``."""
        if tail <= 0 or not all(math.isfinite(limit) for limit in limits):
            return None
        if self.relative and limits[0] <= -1:
            return None
        low, high = (math.log1p(limit) for limit in limits) if self.relative else limits
        return (high - low) / 2 / t_quantile(tail, self.evidence.degrees)


def measure(objective: Objective, scene: Scene) -> Measurement | None:
    """Measure the objective in one scene; return None if an arm has nothing that counts."""
    evidence = indicator_of(objective).contrast(objective, scene)
    return None if evidence is None else measured_by(objective, evidence)


def measured_by(objective: Objective, evidence: TailEvidence) -> Measurement:
    """Measure the objective by evidence that its indicator returned for it, or for other sizes of its tolerance."""
    parts, relative = [], indicator_of(objective).spec.relative
    if objective.tolerates:
        chances, relative = _against_baseline(objective, evidence)
        parts.append(chances)
    if objective.limit is not None:
        beyond, within = evidence.limit_tails(objective.limit)
        parts.append(Chances(harm=1.0 if objective.tolerates else beyond, beyond=beyond, within=within))
    return Measurement(
        evidence=evidence,
        chances=Chances(
            harm=min(part.harm for part in parts),
            beyond=min(part.beyond for part in parts),
            within=max(part.within for part in parts),
        ),
        relative=relative,
        difference=evidence.estimate(relative=relative),
        margin=margin_of(objective, relative=relative),
    )


def chance_within(objective: Objective, evidence: TailEvidence) -> float:
    """Return only the chance that the canary is not within the tolerance and the limit: see ``Chances``."""
    sides = ((objective.relative, True), (objective.absolute, False))
    parts = []
    if objective.tolerates:
        parts.append(min(evidence.within_tail(size, relative=each) for size, each in sides if size is not None))
    if objective.limit is not None:
        parts.append(evidence.limit_tails(objective.limit)[1])
    return max(parts)


def _against_baseline(objective: Objective, evidence: TailEvidence) -> tuple[Chances, bool]:
    """Return the chances of the tolerance, and whether it is a relative one; of two the wider one decides."""
    sides = [
        _Side(
            relative=relative,
            size=margin * (abs(evidence.baseline.value) if relative else 1.0),
            within=evidence.within_tail(margin, relative=relative),
            beyond=evidence.harm_tail(margin, relative=relative),
        )
        for margin, relative in ((objective.relative, True), (objective.absolute, False))
        if margin is not None
    ]
    wider = min(sides, key=lambda side: (round(side.within, 6), -side.size))
    chances = Chances(
        harm=evidence.harm_tail(None, relative=objective.relative is not None),
        beyond=max(side.beyond for side in sides),
        within=min(side.within for side in sides),
    )
    return chances, wider.relative


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of an objective's two tolerances: its size in the indicator's unit, and its tails."""

    relative: bool
    size: float
    within: float
    beyond: float


def harmless(objective: Objective, scene: Scene, tail: float) -> bool:
    """Whether a look at the harm alone shows that nothing is proven with probability ``tail``, whatever the noise."""
    if objective.limit is not None or not objective.tolerates:
        return False
    evidence, relative = indicator_of(objective).contrast(objective, scene), objective.relative is not None
    if evidence is None:
        return True
    if isinstance(evidence, RootEvidence):
        return evidence.least_harm(relative=relative) > tail  # most parts of a phase end here
    return evidence.harm_tail(None, relative=relative) > tail


def margin_of(objective: Objective, *, relative: bool) -> float | None:
    """Return the tolerance in the difference's unit, with the sign of worse (plus for either way), or None."""
    size = objective.relative if relative else objective.absolute
    return -size if size is not None and objective.direction is Direction.DECREASE else size


def smallest_visible(measurement: Measurement, error: float | None, tail: float) -> float | None:
    """Return the smallest difference that a test with probability ``tail`` shows in 95 of 100 runs like this one.

    ``error`` is the standard error of the difference.
    """
    if error is None or tail <= 0:
        return None
    degrees = measurement.evidence.degrees
    size = error * (t_quantile(tail, degrees) + t_quantile(0.05, degrees))
    if not measurement.relative:
        return size
    return math.expm1(size) if size < _WIDEST else None
