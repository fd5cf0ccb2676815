"""Evidence about the difference between the arms, as tail probabilities: what every indicator's contrast returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.model.indicator import Direction
from harness.model.verdict import Estimate
from harness.stats.contrast import Contrast
from harness.stats.intervals import estimate, interval
from harness.stats.limit import Root
from harness.stats.tails import normal_tail, t_tail

RESOLUTION = 0.01
"""The width of a histogram's bin, as a share: where a histogram is interpolated, less is never called harm."""

_EVEN = 0.5


def _independent() -> float:
    """Return the noise of independent requests."""
    return 1.0


class TailEvidence(Protocol):
    """What one indicator says about the difference between the arms in one scene.

    A difference is canary minus baseline: as a share of the baseline if ``relative``, otherwise in the indicator's
    unit. A margin is the size (at least 0) of a difference towards worse. Every tail is a probability: the smaller it
    is, the stronger the evidence. Counts may give exact tails, everything else approximate ones.
    """

    @property
    def baseline(self) -> Estimate:
        """The baseline's value, and the number of requests or readings behind it."""
        ...

    @property
    def canary(self) -> Estimate:
        """The canary's value, and the number of requests or readings behind it."""
        ...

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the interval, for Student's t; a very large number if it is exact."""
        ...

    @property
    def method(self) -> str:
        """How the evidence was computed, for people."""
        ...

    def estimate(self, *, relative: bool) -> float | None:
        """Return the difference, or None if it is a share of a baseline of zero."""
        ...

    def harm_tail(self, margin: float | None, *, relative: bool) -> float:
        """Return the chance of a canary that looks this bad if it were exactly ``margin`` worse than the baseline.

        None stands for a canary that is no worse: a difference that the indicator cannot resolve is no harm.
        """
        ...

    def within_tail(self, margin: float, *, relative: bool) -> float:
        """Return the chance of a canary that looks this good if it were exactly ``margin`` worse than the baseline."""
        ...

    def interval(self, tail: float, *, relative: bool) -> tuple[float, float]:
        """Return the differences that a test with probability ``tail`` on either side does not reject."""
        ...

    def limit_tails(self, limit: float) -> tuple[float, float]:
        """Return the chances of a canary that looks this bad, and this good, if its value were exactly ``limit``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """How far a true difference may be from the observed one: as a share, and in the indicator's unit."""

    share: float = 0.0
    size: float = 0.0

    def above(self, amount: float, *, relative: bool) -> float:
        """Return the largest difference that can be observed as ``amount``."""
        return (1 + amount) * (1 + self.share) - 1 if relative else amount + self.size

    def below(self, amount: float, *, relative: bool) -> float:
        """Return the smallest difference that can be observed as ``amount``."""
        return (1 + amount) / (1 + self.share) - 1 if relative else amount - self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class RootEvidence:
    """Tails of a signed root: divided by the noise it follows Student's t (``harness.stats.contrast.Contrast``).

    counts: requests or readings of baseline and canary. limit_root: the root of the canary's value against a limit.
    resolution: the largest difference, as a share, that is never called harm. blur_of: returns how the
    values are rounded.
    difference: replaces canary minus baseline where the difference is something else.
    least_noise_of: returns a factor that the noise is never below, found without an estimate of it.
    weight_rate: weight of the blocks per second, where noise between runs can be learned (``judge.calibration``).
    blurred_by: what the values are rounded by, if more requests do not make it smaller.
    """

    contrast: Contrast
    direction: Direction
    counts: tuple[int, int]
    limit_root: Callable[[float], Root]
    resolution: float = 0.0
    blur_of: Callable[[], Blur] = Blur
    least_noise_of: Callable[[], float] = _independent
    difference: Callable[[], float | None] | None = None
    weight_rate: float | None = None
    blurred_by: str = ""

    @property
    def baseline(self) -> Estimate:
        """See ``TailEvidence``."""
        return Estimate(value=self.contrast.baseline, n=self.counts[0])

    @property
    def canary(self) -> Estimate:
        """See ``TailEvidence``."""
        return Estimate(value=self.contrast.canary, n=self.counts[1])

    @property
    def blur(self) -> Blur:
        """How the values are rounded."""
        return self.blur_of()

    @property
    def degrees(self) -> float:
        """See ``TailEvidence``."""
        return self.contrast.noise.degrees

    @property
    def method(self) -> str:
        """See ``TailEvidence``."""
        return (
            "counts above the moved quantile or of errors, paired by block of time; signed likelihood root over the "
            f"long-run variance, Student's t ({self.degrees:.0f} degrees of freedom), "
            f"overdispersion {self.contrast.noise.factor:.2f}" + (f"; {self.blurred_by}" if self.blurred_by else "")
        )

    def estimate(self, *, relative: bool) -> float | None:
        """See ``TailEvidence``."""
        return estimate(self.contrast, relative=relative) if self.difference is None else self.difference()

    def harm_tail(self, margin: float | None, *, relative: bool) -> float:
        """See ``TailEvidence``."""
        blur, least = self.blur, max(self.resolution, self.blur.share)
        relative = relative or (margin is None and least > 0)
        high = least if margin is None else blur.above(margin, relative=relative)
        low = -least if margin is None else blur.below(-margin, relative=relative)
        if self.direction is Direction.INCREASE:
            return self._above(high, relative=relative)
        if self.direction is Direction.DECREASE:
            return self._below(low, relative=relative)
        return min(1.0, 2 * min(self._above(high, relative=relative), self._below(low, relative=relative)))

    def within_tail(self, margin: float, *, relative: bool) -> float:
        """See ``TailEvidence``."""
        high, low = self.blur.below(margin, relative=relative), self.blur.above(-margin, relative=relative)
        if self.direction is Direction.INCREASE:
            return self._below(high, relative=relative)
        if self.direction is Direction.DECREASE:
            return self._above(low, relative=relative)
        return max(self._below(high, relative=relative), self._above(low, relative=relative))

    def interval(self, tail: float, *, relative: bool) -> tuple[float, float]:
        """See ``TailEvidence``."""
        low, high = interval(self.contrast, tail, relative=relative, estimated=self.estimate(relative=relative))
        return self.blur.below(low, relative=relative), self.blur.above(high, relative=relative)

    def limit_tails(self, limit: float) -> tuple[float, float]:
        """See ``TailEvidence``."""
        share = 1 + self.blur.share
        high, low = self.limit_root(limit * share), self.limit_root(limit / share)
        up, down = t_tail(high.value, high.degrees), t_tail(-low.value, low.degrees)
        return (down, up) if self.direction is Direction.DECREASE else (up, down)

    def least_harm(self, *, relative: bool) -> float:
        """Return a lower bound of ``harm_tail(None)``, at most about one half, without an estimate of the noise."""
        relative = relative or self.resolution > 0
        least = self.contrast.baseline * (1 + self.resolution)
        if self.direction is Direction.INCREASE and self.contrast.canary <= least:
            return _EVEN  # the root is at most zero
        up, down, scale = 1.0, 1.0, math.sqrt(self.least_noise_of())
        if self.direction is not Direction.DECREASE:
            up = normal_tail(self.contrast.root(self.resolution, relative=relative) / scale)
        if self.direction is not Direction.INCREASE:
            down = normal_tail(-self.contrast.root(-self.resolution, relative=relative) / scale)
        return min(1.0, 2 * min(up, down)) if self.direction is Direction.EITHER else min(up, down)

    def _above(self, amount: float, *, relative: bool) -> float:
        """Return the probability of a canary at least this far above the baseline if the difference were ``amount``."""
        if relative and amount <= -1:
            return 0.0  # nothing falls by more than 100 %
        return self._tail(amount, relative=relative, sign=1.0)

    def _below(self, amount: float, *, relative: bool) -> float:
        """Return the probability of a canary at least this far below the baseline if the difference were ``amount``."""
        if relative and amount <= -1:
            return 1.0
        return self._tail(amount, relative=relative, sign=-1.0)

    def _tail(self, amount: float, *, relative: bool, sign: float) -> float:
        noise = self.contrast.noise
        return t_tail(sign * (self.contrast.root(amount, relative=relative) / math.sqrt(noise.factor)), noise.degrees)
