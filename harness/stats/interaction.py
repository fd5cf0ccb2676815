"""Estimate the difference of differences: how much more a fault harms the canary than the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.stats.contrast import Contrast
from harness.stats.intervals import estimate, interval
from harness.stats.tails import t_tail
from harness.stats.variance import Overdispersion

_SIGMAS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A difference between the arms, with its standard errors towards smaller and towards larger values."""

    value: float
    below: float
    above: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionContrast:
    """Compares the difference between the arms under the fault with that in the steady phase.

    When relative, the comparison is a ratio of ratios.

    Assumes that the errors of the two phases are independent. Their squares are added on the side that matters,
    because intervals of rates and quantiles are not symmetrical.
    Source: Zou & Donner (2008), "MOVER".
    """

    fault: Contrast
    steady: Contrast
    relative: bool

    @property
    def noise(self) -> Overdispersion:
        """The smaller degrees of freedom of the phases; the factor is 1, as the phases include the overdispersion."""
        degrees = min(self.fault.noise.degrees, self.steady.noise.degrees)
        return Overdispersion(factor=1.0, degrees=degrees)

    @property
    def baseline(self) -> float:
        """How much the fault adds to the baseline's value."""
        return self.fault.baseline - self.steady.baseline

    @property
    def canary(self) -> float:
        """How much the fault adds to the canary's value."""
        return self.fault.canary - self.steady.canary

    def difference(self) -> float | None:
        """Return the estimate, as a share when relative; None when a phase has no estimate."""
        fault, steady = _side(self.fault, relative=self.relative), _side(self.steady, relative=self.relative)
        if fault is None or steady is None:
            return None
        value = fault.value - steady.value
        return math.expm1(value) if self.relative else value

    def root(self, amount: float, *, relative: bool) -> float:
        """Return the signed root for ``amount``, as ``Contrast`` defines it; 0 when a phase has no interval."""
        fault, steady = _side(self.fault, relative=relative), _side(self.steady, relative=relative)
        if fault is None or steady is None:
            return 0.0
        distance = fault.value - steady.value - (math.log1p(amount) if relative else amount)
        error = math.hypot(fault.below, steady.above) if distance > 0 else math.hypot(fault.above, steady.below)
        return distance / error if 0 < error < math.inf else 0.0


def _side(contrast: Contrast, *, relative: bool) -> Side | None:
    value = estimate(contrast, relative=relative)
    low, high = interval(contrast, t_tail(_SIGMAS, contrast.noise.degrees), relative=relative)
    if value is None or value <= -1:
        return None
    if relative:
        value = math.log1p(value)
        low, high = (math.log1p(limit) if limit > -1 else -math.inf for limit in (low, high))
    return Side(value=value, below=(value - low) / _SIGMAS, above=(high - value) / _SIGMAS)
