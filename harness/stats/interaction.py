"""The difference of differences: how much more the canary suffers from a fault than the baseline does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.stats.contrast import Contrast, estimate, interval
from harness.stats.tails import t_tail
from harness.stats.variance import Overdispersion

_SIGMAS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A difference between the arms with its standard error towards smaller and towards larger values."""

    value: float
    below: float
    above: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionContrast:
    """Canary minus baseline under the fault, minus the same without it (as ratios of ratios when relative).

    Errors of the two phases are independent and are added as squares, each on the side that matters
    (Zou & Donner 2008, "MOVER"), because intervals of rates and quantiles are not symmetrical.
    """

    fault: Contrast
    steady: Contrast
    relative: bool

    @property
    def noise(self) -> Overdispersion:
        """Overdispersion is in the parts already; degrees of freedom are the smaller of the two."""
        degrees = min(self.fault.noise.degrees, self.steady.noise.degrees)
        return Overdispersion(factor=1.0, degrees=degrees)

    @property
    def baseline(self) -> float:
        """What the fault adds to the baseline's value."""
        return self.fault.baseline - self.steady.baseline

    @property
    def canary(self) -> float:
        """What the fault adds to the canary's value."""
        return self.fault.canary - self.steady.canary

    def difference(self) -> float | None:
        """The estimate, as a share when relative."""
        fault, steady = _side(self.fault, relative=self.relative), _side(self.steady, relative=self.relative)
        if fault is None or steady is None:
            return None
        value = fault.value - steady.value
        return math.expm1(value) if self.relative else value

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``; 0 when one of the phases has no interval."""
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
