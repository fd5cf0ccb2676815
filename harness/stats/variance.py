"""How much noisier a sum over blocks is than independent requests would make it.

Requests that share a pause, a burst or a slow minute are not independent. Every test here divides by
the *long-run* variance of the blocks' contributions, expressed as an overdispersion: the factor by
which it exceeds the variance of independent requests (1 means independent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR = 1.1
PRIOR_DEGREES = 14.0
BANDWIDTH = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """``factor``: variance over that of independent requests, at least 1. ``degrees``: of freedom, for t quantiles."""

    factor: float
    degrees: float


def overdispersion(excess: NDArray[np.float64], variance: NDArray[np.float64], *, floor: float = 1.0) -> Overdispersion:
    """Overdispersion of the sum of ``excess``.

    Args:
        excess: each block's contribution, shape (b,), in order of time, around zero.
        variance: what it would be for independent requests, shape (b,).
        floor: the least factor, e.g. one learned from runs of equal arms.

    Equal-weighted cosine transform of the lowest frequencies with its t approximation (Lazarus,
    Lewis, Stock & Watson 2018, eq. 3 and 4: 0.4 b^(2/3) of them), which is robust to correlation
    over tens of blocks; never below the blocks' plain variance, which catches single bursts. Both
    are shrunk towards a prior a little above independence, because a few blocks say little.
    """
    blocks, expected = len(excess), float(variance.sum())
    if blocks < 3 or expected <= 0:
        return Overdispersion(factor=max(floor, 2.0), degrees=PRIOR_DEGREES)
    plain = float(((excess - excess.mean()) ** 2).sum()) / expected * blocks / (blocks - 1)
    count = max(1, round(BANDWIDTH * blocks ** (2 / 3)))
    time = (np.arange(blocks) + 0.5) / blocks
    waves = np.cos(np.pi * np.arange(1, count + 1)[:, None] * time) * np.sqrt(2 / blocks)
    slow = float(((waves @ excess) ** 2).mean()) / expected * blocks
    prior = max(PRIOR, plain)
    factor = (PRIOR_DEGREES * prior + count * slow) / (PRIOR_DEGREES + count)
    return Overdispersion(factor=max(factor, prior if plain > PRIOR else 1.0, floor), degrees=PRIOR_DEGREES + count)
