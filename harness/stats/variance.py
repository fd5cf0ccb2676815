"""Estimate how much noisier a sum over blocks is than a sum over independent requests.

Requests that share a pause, a burst or a slow minute are not independent. Every test in this package divides by the
*long-run* variance of the blocks' contributions. It is expressed as an overdispersion: the factor by which it exceeds
the variance of independent requests (1 means independent).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.stats.tails import t_quantile

PRIOR = 1.1
LEAST_FREQUENCIES = 4
LEAST_TRUST = 4.0
_COMPARED_AT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """How strongly to suspect that blocks are not independent.

    bandwidths: how many low frequencies to use, as multiples of b^(2/3) for b blocks. With several, the one that
    demands the most evidence counts. degrees: the weight of the prior, in degrees of freedom. unsurprising: how many
    standard deviations above the prior an estimate may lie before the prior loses weight.
    """

    bandwidths: tuple[float, ...]
    degrees: float
    unsurprising: float


CALM = Caution(bandwidths=(0.4,), degrees=30.0, unsurprising=1.5)
"""For counts of errors and of requests: bursts are short."""
WARY = Caution(bandwidths=(0.4, 0.15, 0.07), degrees=20.0, unsurprising=0.25)
"""For latencies: one arm may be slow for a minute without any difference between the builds.

The values are tuned on simulated streams.
"""


def wary_after(windows: float) -> Caution:
    """Return the caution for latencies in a stretch, if the noise of this many windows before it is known.

    What is known makes the prior weigh more. A stretch may begin before the harm does, and the step looks like the
    slowest noise, so that is looked for in the time before only.
    """
    return Caution(bandwidths=WARY.bandwidths[:2], degrees=WARY.degrees + windows, unsurprising=CALM.unsurprising)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """How much noisier blocks are than independent requests.

    factor: the ratio of the variances. degrees: degrees of freedom for t quantiles. calm: the factor of independent
    requests: 1, or less if the arms are compared inside endpoints (``Window.calm_of``).
    """

    factor: float
    degrees: float
    calm: float = 1.0


def overdispersion(
    excess: NDArray[np.float64],
    variance: NDArray[np.float64],
    *,
    floor: float = 1.0,
    caution: Caution = CALM,
) -> Overdispersion:
    """Return the overdispersion of the sum of ``excess``.

    Args:
        excess: each block's contribution, shape (b,), in order of time, centred on zero.
        variance: the variance of each contribution if requests were independent, shape (b,).
        floor: the least factor to return, such as one learned from runs of equal arms.
        caution: how strongly to suspect that blocks are not independent.

    The estimate is the equal-weighted cosine transform of the lowest frequencies with its t approximation, which is
    robust to correlation over tens of blocks. Fewer frequencies detect slower noise and have fewer degrees of freedom.
    The factor is never below the plain variance of the blocks, which detects single bursts. Because few blocks carry
    little information, both are shrunk towards a prior slightly above independence. The prior loses weight when the
    blocks are further from it than chance (chi-squared) explains.
    Source: Lazarus, Lewis, Stock & Watson (2018), eq. 3 and 4, with 0.4 b^(2/3) frequencies.
    """
    blocks, expected = len(excess), float(variance.sum())
    if blocks < 3 or expected <= 0:
        return Overdispersion(factor=max(floor, 2.0), degrees=caution.degrees)
    plain = float(((excess - excess.sum() / blocks) ** 2).sum()) / expected * blocks / (blocks - 1)
    prior = max(PRIOR, plain)
    least = max(floor, prior if plain > PRIOR else 1.0)
    counts = [max(LEAST_FREQUENCIES, round(bandwidth * blocks ** (2 / 3))) for bandwidth in caution.bandwidths]
    power = _low_frequencies(excess, max(counts)) / expected * blocks
    answers = []
    for count in dict.fromkeys(counts):
        used = power[:count]
        slow = float(used.sum()) / len(used)
        surprise = slow / (prior * (1 + caution.unsurprising * (2 / len(used)) ** 0.5))
        trust = max(caution.degrees / max(1.0, surprise) ** 4, LEAST_TRUST)
        factor = (trust * prior + len(used) * slow) / (trust + len(used))
        answers.append(Overdispersion(factor=max(factor, least), degrees=trust + len(used)))
    return max(answers, key=lambda answer: t_quantile(_COMPARED_AT, answer.degrees) * answer.factor**0.5)


def _low_frequencies(excess: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the power of the ``count`` lowest frequencies of a type II cosine transform, shape (count,)."""
    power: NDArray[np.float64] = (_waves(len(excess), count) @ excess) ** 2
    return power


@lru_cache(maxsize=4)
def _waves(blocks: int, count: int) -> NDArray[np.float64]:
    """Return the ``count`` lowest frequencies of the transform, shape (count, blocks).

    All objectives of a phase need the same ones; a look has few phases.
    """
    time = (np.arange(blocks) + 0.5) / blocks
    waves: NDArray[np.float64] = np.cos(np.pi * np.arange(1, count + 1)[:, None] * time) * np.sqrt(2 / blocks)
    waves.flags.writeable = False
    return waves
