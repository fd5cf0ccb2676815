"""Hold the parts of a window that begin later and go on to its end, and what was observed in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.once import Once
from harness.stats.weights import weights_of
from harness.stats.window import Window

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Several stretches of ``whole``. Where arrays have shape (s,), they have a value for each stretch.

    firsts: the index of the first block of each stretch, rising. windows: return them as windows. survival_of:
    returns the weighted share of latencies in or above each bin, both arms with the same mix of endpoints, shape
    (s, 2, width); zeros for a stretch without a block that has both arms.
    """

    whole: Window
    firsts: tuple[int, ...]
    windows: tuple[Callable[[], Window], ...]
    survival_of: Callable[[], Floats]

    def slower_by(self, quantile: float) -> Floats:
        """Return by how many bins the canary's quantile is above that of the baseline, shape (s,)."""
        survival, level = self.survival_of(), 1 - quantile
        curves = survival.reshape(-1, survival.shape[2])
        rows, last = np.arange(len(curves)), curves.shape[1] - 1
        # where the falling curve has crossed the level; 0 also if it never has
        after = (curves <= level).argmax(axis=1)
        high, low = curves[rows, np.maximum(after - 1, 0)], curves[rows, after]
        inside = after - 1 + (high - level) / np.where(high > low, high - low, 1.0)
        outside = np.where(low > level, float(last), 0.0)
        places = np.where(after > 0, inside, outside).reshape(-1, 2)
        slower: Floats = places[:, CANARY] - places[:, BASELINE]
        return slower

    def more_failures(self) -> tuple[Floats, Floats]:
        """Return the sum of the weighted differences of failure rates, and of the weights, both of shape (s,)."""
        same = self.whole.standard
        weights = weights_of(same.requests)
        if weights is None:
            return np.zeros(len(self.firsts)), np.zeros(len(self.firsts))
        shares = same.failed / np.where(same.requests > 0, same.requests, 1)
        more = weights.by_block * (shares[CANARY] - shares[BASELINE])
        sums = np.cumsum(np.stack([more, weights.by_block])[:, ::-1], axis=1)[:, ::-1][:, list(self.firsts)]
        return sums[0], sums[1]

    def requests(self) -> Floats:
        """Return the requests of the baseline and of the canary, shape (2, s)."""
        sums: Floats = np.cumsum(self.whole.requests[:, ::-1], axis=1)[:, ::-1][:, list(self.firsts)]
        return sums


def stretches_of(whole: Window, firsts: tuple[int, ...]) -> Stretches:
    """Return the stretches that begin at blocks with these indices, which must rise."""
    masses = Once(partial(whole.standard.masses_since, firsts))

    def survival() -> Floats:
        weights = whole.standard.weights
        totals = [0.0 if each is None else each.total for each in (weights.since_each(firsts) if weights else ())]
        found = np.array(totals or [0.0] * len(firsts))[:, None, None]
        curves: Floats = masses() / np.where(found > 0, found, np.inf)
        return curves

    return Stretches(
        whole=whole,
        firsts=firsts,
        windows=whole.since_each(firsts, masses),
        survival_of=Once(survival),
    )
