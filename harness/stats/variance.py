"""How much noisier a sum over blocks is than independent requests would make it.

Requests that share a pause, a burst or a slow minute are not independent. Every test here divides by
the *long-run* variance of the blocks' contributions, expressed as an overdispersion: the factor by
which it exceeds the variance of independent requests (1 means independent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.tails import t_quantile

PRIOR = 1.1
LEAST_FREQUENCIES = 4
LEAST_TRUST = 4.0
_COMPARED_AT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """How much to doubt independence.

    bandwidths: parts of b^(2/3) low frequencies to look at; of several, the one that asks for the most
    evidence counts. degrees: of freedom that the prior is worth. unsurprising: standard deviations
    above the prior that leave it all of its weight.
    """

    bandwidths: tuple[float, ...]
    degrees: float
    unsurprising: float


CALM = Caution(bandwidths=(0.4,), degrees=30.0, unsurprising=1.5)
"""For counts of errors and of requests: bursts are short."""
WARY = Caution(bandwidths=(0.4, 0.15, 0.07), degrees=20.0, unsurprising=0.25)
"""For latencies: one arm may be slow for a minute, of itself. Tuned on simulated streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """``factor``: variance over that of independent requests, at least 1. ``degrees``: of freedom, for t quantiles."""

    factor: float
    degrees: float


def overdispersion(
    excess: NDArray[np.float64],
    variance: NDArray[np.float64],
    *,
    floor: float = 1.0,
    caution: Caution = CALM,
) -> Overdispersion:
    """Overdispersion of the sum of ``excess``.

    Args:
        excess: each block's contribution, shape (b,), in order of time, around zero.
        variance: what it would be for independent requests, shape (b,).
        floor: the least factor, e.g. one learned from runs of equal arms.
        caution: how much to doubt that blocks are independent.

    Equal-weighted cosine transform of the lowest frequencies with its t approximation (Lazarus,
    Lewis, Stock & Watson 2018, eq. 3 and 4: 0.4 b^(2/3) of them), which is robust to correlation
    over tens of blocks; fewer frequencies see slower noise and have fewer degrees of freedom. Never
    below the blocks' plain variance, which catches single bursts. Because a few blocks say little,
    both are shrunk towards a prior a little above independence, whose weight falls when the blocks are
    further from it than chance (chi-squared) explains.
    """
    blocks, expected = len(excess), float(variance.sum())
    if blocks < 3 or expected <= 0:
        return Overdispersion(factor=max(floor, 2.0), degrees=caution.degrees)
    plain = float(((excess - excess.mean()) ** 2).sum()) / expected * blocks / (blocks - 1)
    prior = max(PRIOR, plain)
    least = max(floor, prior if plain > PRIOR else 1.0)
    counts = [max(LEAST_FREQUENCIES, round(bandwidth * blocks ** (2 / 3))) for bandwidth in caution.bandwidths]
    power = _low_frequencies(excess, max(counts)) / expected * blocks
    answers = []
    for count in dict.fromkeys(counts):
        used = power[:count]
        slow = float(used.mean())
        surprise = slow / (prior * (1 + caution.unsurprising * (2 / len(used)) ** 0.5))
        trust = max(caution.degrees / max(1.0, surprise) ** 4, LEAST_TRUST)
        factor = (trust * prior + len(used) * slow) / (trust + len(used))
        answers.append(Overdispersion(factor=max(factor, least), degrees=trust + len(used)))
    return max(answers, key=lambda answer: t_quantile(_COMPARED_AT, answer.degrees) * answer.factor**0.5)


def _low_frequencies(excess: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Power of the ``count`` lowest frequencies of a type II cosine transform."""
    blocks = len(excess)
    time = (np.arange(blocks) + 0.5) / blocks
    waves = np.cos(np.pi * np.arange(1, count + 1)[:, None] * time) * np.sqrt(2 / blocks)
    power: NDArray[np.float64] = (waves @ excess) ** 2
    return power
