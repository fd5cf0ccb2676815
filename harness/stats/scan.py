"""Scan the short windows of a phase for a difference that lasts for a part of it only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.variance import PRIOR

Floats = NDArray[np.float64]
LEAST_HISTORY = 4
"""Windows of the same length that must lie before a window: they show how much such windows differ without harm."""
_TRUST = 20.0  # degrees of freedom of the prior


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A window of blocks, from ``first`` to ``last`` (exclusive), with a large standardised sum ``z``.

    factor: how much noisier earlier windows of this length were than independent requests. degrees: of that estimate.
    """

    first: int
    last: int
    z: float
    factor: float
    degrees: float


def suspect(excess: Floats, variance: Floats, length: int, *, step: int = 1, least: float = 0.0) -> Suspect | None:
    """Return the window with the largest sum for its noise, or None if no window has a history.

    Args:
        excess: each block's contribution, shape (b,), in order of time, at most zero on average without harm.
        variance: the variance of each contribution if requests were independent, shape (b,).
        length: the number of blocks in a window.
        step: windows begin at multiples of this number of blocks.
        least: None is returned if no standardised sum is as large as this.

    The noise at the scale of a window is the variance of the sums of the earlier windows, side by side, around their
    mean (batch means: Alexopoulos & Seila 1996), shrunk towards the prior of ``variance`` but never below what was
    observed. The long-run variance would be too small if blocks are anti-correlated, and the variance inside one short
    window is hardly known. Only earlier windows count, because harm that lasts would look like noise otherwise.
    Assumes that the noise before the window is like that in it.
    """
    first_allowed = LEAST_HISTORY * length
    if len(excess) < first_allowed + length:
        return None
    sums, spreads = _window_sums(excess, length), _window_sums(variance, length)
    z = np.where(spreads > 0, sums / np.sqrt(np.where(spreads > 0, spreads, 1.0)), 0.0)
    z[:first_allowed] = -np.inf
    z[np.arange(len(z)) % step != 0] = -np.inf
    if z.max() < least:
        return None  # the noise, which takes most time, only makes it smaller
    factors, degrees = _noise(sums, spreads, length)
    scaled = z / np.sqrt(factors)
    first = int(np.argmax(scaled))
    if not scaled[first] > 0:
        return None
    return Suspect(
        first=first, last=first + length, z=float(z[first]), factor=float(factors[first]), degrees=float(degrees[first])
    )


def noise_before(excess: Floats, variance: Floats, length: int, first: int, *, certain: bool = True) -> float:
    """Return the overdispersion of the windows of ``length`` blocks that end before block ``first``, at least 1.

    certain: whether it is at least what was observed, however few windows there are.

    excess, variance: as for ``suspect``, but excess need not be centred.
    """
    if first < 2 * length:
        return 1.0
    places = np.arange(first - length, -1, -length)
    sums, spreads = _window_sums(excess, length)[places], _window_sums(variance, length)[places]
    known, expected = len(places) - 1, float(spreads.mean())
    observed = float(((sums - sums.mean()) ** 2).sum()) / known / expected if expected > 0 else 2.0
    return max((_TRUST * PRIOR + known * observed) / (_TRUST + known), observed if certain else 1.0, 1.0)


def _window_sums(values: Floats, length: int) -> Floats:
    total = np.concatenate(([0.0], np.cumsum(values)))
    sums: Floats = total[length:] - total[:-length]
    return sums


def _noise(sums: Floats, spreads: Floats, length: int) -> tuple[Floats, Floats]:
    """Return the overdispersion of the windows before each window, side by side, and its degrees of freedom."""
    count = np.maximum(np.arange(len(sums)) // length, 1)
    known = np.maximum(count - 1, 1)
    total, squares, expected = (_before(values, length) for values in (sums, sums**2, spreads))
    spread = np.maximum(squares - total**2 / count, 0.0) / known
    observed = np.where(expected > 0, spread / np.where(expected > 0, expected / count, 1.0), 2.0)
    shrunk = (_TRUST * PRIOR + known * observed) / (_TRUST + known)
    return np.maximum(np.maximum(shrunk, observed), 1.0), _TRUST + known


def _before(values: Floats, length: int) -> Floats:
    """Return the sum of every ``length``-th value before each value, shape (k,)."""
    rows = -(-len(values) // length)
    padded = np.zeros(rows * length)
    padded[: len(values)] = values
    grid = padded.reshape(rows, length)
    found: Floats = (np.cumsum(grid, axis=0) - grid).ravel()[: len(values)]
    return found
