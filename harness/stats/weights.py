"""Weights of blocks of time for a comparison of two arms inside each block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Mantel-Haenszel weights of blocks, and the number of trials that they are equivalent to.

    by_block: shape (b,). total: the sum of the weights. share: the canary's share of the requests, in (0, 1).
    trials: of both arms, shape (2, b).
    """

    by_block: Floats
    total: float
    share: float
    trials: Floats

    def since_each(self, starts: Sequence[int]) -> list[Weights | None]:
        """Return the weights of the blocks from each of the indices on; None where no block has both arms."""
        canary, both = self.trials[CANARY], self.trials[BASELINE] + self.trials[CANARY]
        rows = np.stack([self.by_block, canary, both]) * (self.by_block > 0)
        sums = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1][:, list(starts)].T.tolist()
        return [
            Weights(by_block=self.by_block[start:], total=total, share=canary / both, trials=self.trials[:, start:])
            if total > 0
            else None
            for start, (total, canary, both) in zip(starts, sums, strict=True)
        ]

    @property
    def canary_trials(self) -> float:
        """The number of canary requests that corresponds to this total weight and share."""
        return self.total / (1 - self.share)

    @property
    def baseline_trials(self) -> float:
        """The number of baseline requests that corresponds to this total weight and share."""
        return self.total / self.share

    def least_factor(self, excess: float, seconds: float) -> float:
        """Return the least overdispersion factor, at least 1, given noise that is known beforehand.

        Noise that an environment causes in every build of a service adds a variance that does not fall as the
        request rate rises. ``excess`` is that variance per unit of weight and second; ``seconds`` is the length of
        the stretch.
        """
        return 1 + excess * self.total / seconds if seconds > 0 else 1.0


def weights_of(trials: Floats) -> Weights | None:
    """Return the weights n_c n_b / (n_c + n_b) for the arms' trials, shape (2, b); None when no block has both arms.

    Source: Mantel & Haenszel (1959).
    """
    canary, sums = trials[CANARY], trials[BASELINE] + trials[CANARY]
    by_block = canary * trials[BASELINE] / np.where(sums > 0, sums, 1.0)  # 0 without requests of both arms
    total = float(by_block.sum())
    if total <= 0:
        return None
    both = by_block > 0
    share = float(canary[both].sum()) / float(sums[both].sum())
    return Weights(by_block=by_block, total=total, share=share, trials=trials)
