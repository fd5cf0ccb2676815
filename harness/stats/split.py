"""Compare how requests were divided between the arms: the split, and the canary's throughput."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.model.samples import BASELINE, CANARY
from harness.stats.likelihood import root_of_share
from harness.stats.once import Once
from harness.stats.variance import Overdispersion, overdispersion
from harness.stats.window import Window

_INSTANT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitContrast:
    """The canary's share of the requests compared with its planned share.

    share: the planned share, in (0, 1). counts: the requests of baseline and canary. noise_of: as in ``RateContrast``.
    """

    share: float
    counts: tuple[float, float]
    noise_of: Callable[[], Overdispersion]

    @property
    def noise(self) -> Overdispersion:
        """See ``Contrast``."""
        return self.noise_of()

    @property
    def baseline(self) -> float:
        """The planned share."""
        return self.share

    @property
    def canary(self) -> float:
        """The canary's share of the requests."""
        return self.counts[CANARY] / sum(self.counts)

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``."""
        share = self.share * (1 + amount) if relative else self.share + amount
        return root_of_share(self.counts[CANARY], sum(self.counts), share)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputContrast:
    """The canary's requests per second compared with those that the baseline's requests and the split predict.

    share: the canary's planned share, in (0, 1). counts: the requests of baseline and canary. seconds: how long.
    noise_of: as in ``RateContrast``.
    """

    share: float
    counts: tuple[float, float]
    seconds: float
    noise_of: Callable[[], Overdispersion]

    @property
    def noise(self) -> Overdispersion:
        """See ``Contrast``."""
        return self.noise_of()

    @property
    def baseline(self) -> float:
        """The canary's requests per second that the baseline's requests and the planned share predict."""
        return self.counts[BASELINE] * self.share / (1 - self.share) / self.seconds

    @property
    def canary(self) -> float:
        """The canary's requests per second."""
        return self.counts[CANARY] / self.seconds

    def root(self, amount: float, *, relative: bool) -> float:
        """Test the canary's share of all requests, which a difference of rates is equivalent to: see ``Contrast``."""
        if relative:
            share = self.share * (1 + amount) / (1 + self.share * amount)
        else:
            share = self.share + amount * (1 - self.share) * self.seconds / sum(self.counts)
        return root_of_share(self.counts[CANARY], sum(self.counts), share)


def split_contrast(window: Window, share: float, *, excess: float = 0.0) -> SplitContrast | None:
    """Compare the split with the canary's planned ``share`` in (0, 1); None without requests.

    ``excess`` gives the least overdispersion: see ``Weights.least_factor``.
    """
    counts = _totals(window)
    if sum(counts) <= 0 or not 0 < share < 1:
        return None
    return SplitContrast(share=share, counts=counts, noise_of=_noise_of(window, share, excess))


def throughput_contrast(window: Window, share: float, *, excess: float = 0.0) -> ThroughputContrast | None:
    """Compare the canary's requests per second with its planned ``share`` in (0, 1); None without requests.

    ``excess`` gives the least overdispersion: see ``Weights.least_factor``.
    """
    counts = _totals(window)
    if sum(counts) <= 0 or not 0 < share < 1:
        return None
    seconds = float(window.exposure.sum())
    if seconds < _INSTANT * window.block_s:
        seconds = window.seconds  # requests at a single instant have no rate
    return ThroughputContrast(share=share, counts=counts, seconds=seconds, noise_of=_noise_of(window, share, excess))


def _totals(window: Window) -> tuple[float, float]:
    return float(window.requests[BASELINE].sum()), float(window.requests[CANARY].sum())


def _noise_of(window: Window, share: float, excess: float) -> Callable[[], Overdispersion]:
    @Once
    def noise() -> Overdispersion:
        requests = window.requests.sum(axis=0)
        observed = float(window.requests[CANARY].sum() / requests.sum())
        variance = requests * share * (1 - share)
        least = 1 + excess * float(variance.sum()) / window.seconds
        return overdispersion(window.requests[CANARY] - observed * requests, variance, floor=least)

    return noise
