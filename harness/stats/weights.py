"""Weights of blocks of time when two arms are compared inside each block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Mantel-Haenszel weights of blocks and the trials they are worth.

    by_block: shape (b,); total: their sum; share: the canary's part of the requests.
    """

    by_block: Floats
    total: float
    share: float

    @property
    def canary_trials(self) -> float:
        """Requests of the canary that two arms with this share and weight would have."""
        return self.total / (1 - self.share)

    @property
    def baseline_trials(self) -> float:
        """Requests of the baseline that two arms with this share and weight would have."""
        return self.total / self.share

    def least_factor(self, excess: float, seconds: float) -> float:
        """Overdispersion from noise known beforehand.

        Noise that both builds of one service have in an environment adds a variance that does not
        fall with the rate of requests; per unit of weight and second that is its ``excess``.
        """
        return 1 + excess * self.total / seconds if seconds > 0 else 1.0


def weights_of(trials: Floats) -> Weights | None:
    """Weights for trials of shape (2, b); None when no block has both arms."""
    both = (trials > 0).all(axis=0)
    sums = trials.sum(axis=0)
    by_block = np.where(both, trials[CANARY] * trials[BASELINE] / np.where(sums > 0, sums, 1), 0.0)
    total = float(by_block.sum())
    if total <= 0:
        return None
    canary = float(trials[CANARY, both].sum())
    return Weights(by_block=by_block, total=total, share=canary / float(trials[:, both].sum()))
