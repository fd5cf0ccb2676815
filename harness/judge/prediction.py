"""What a planned run will be able to see of one indicator, before a request is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from harness.stats.tails import t_quantile
from harness.stats.variance import LEAST_FREQUENCIES, Caution

TYPICAL_OVERDISPERSION = 1.6
"""What the cautious estimate of independent noise comes to in the less lucky of simulated runs."""
_LARGEST = 20.0  # a factor of exp(20) between the arms is no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is not known before a run.

    error_rate: of the baseline. spread: standard deviation of the logarithm of its latencies.
    overdispersion: how much noisier than independent requests the arms are.
    """

    error_rate: float = 0.005
    spread: float = 0.5
    overdispersion: float = TYPICAL_OVERDISPERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A phase of a planned run.

    weight: n_c n_b / (n_c + n_b) of the planned requests of canary and baseline. blocks: blocks of time in the phase.
    """

    weight: float
    blocks: float
    assumed: Assumed = field(default_factory=Assumed)


class Prediction(Protocol):
    """Differences that a run can tell apart, in the unit of ``Finding.difference``."""

    @property
    def relative(self) -> bool:
        """Whether differences are shares of the baseline."""
        ...

    @property
    def resolution(self) -> float:
        """The difference that no number of requests makes visible, on the scale that shrinks with their root."""
        ...

    def fails_from(self, tail: float, *, power: float) -> float:
        """The smallest difference that a test with probability ``tail`` proves with probability ``power``."""
        ...

    def passes_from(self, tail: float, *, power: float) -> float:
        """The smallest tolerance that equal arms are shown to be within, with the same probabilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPrediction:
    """For differences (logarithms of ratios when relative) that are nearly normal.

    error: standard error of the difference. degrees: of freedom of the noise's estimate.
    """

    error: float
    degrees: float
    relative: bool
    resolution: float = 0.0

    def fails_from(self, tail: float, *, power: float) -> float:
        """See ``Prediction``."""
        sigmas = t_quantile(tail, self.degrees) + t_quantile(1 - power, self.degrees)
        return self._difference(self.error * sigmas + self.resolution)

    def passes_from(self, tail: float, *, power: float) -> float:
        """See ``Prediction``."""
        return self._difference(self.error * (t_quantile(tail, self.degrees) + t_quantile(1 - power, self.degrees)))

    def _difference(self, size: float) -> float:
        return math.expm1(min(size, _LARGEST)) if self.relative else size


def predicted(
    sigma: float, expected: Expected, *, relative: bool, caution: Caution, resolution: float = 0.0
) -> NormalPrediction | None:
    """The prediction for a difference whose variance is ``sigma`` squared over the weight, if requests are independent.

    caution: how the noise is going to be estimated. resolution: a logarithm if ``relative``. None without requests.
    """
    if expected.weight <= 0:
        return None
    blocks = max(expected.blocks, 1.0)
    return NormalPrediction(
        error=sigma * math.sqrt(expected.assumed.overdispersion / expected.weight),
        degrees=caution.degrees + max(LEAST_FREQUENCIES, caution.bandwidths[0] * blocks ** (2 / 3)),
        relative=relative,
        resolution=resolution,
    )
