"""Logarithmic latency bins, one per cent wide: convert between latencies and positions on the axis of bins.

Positions are real numbers: position k is the lower edge of bin k. Two latencies that differ by a factor of r are
``shift(r)`` positions apart, so a tolerance of +10 % is the same shift everywhere on the axis. Latencies below one
microsecond fall into the first bin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FIRST_EDGE_S = 1e-6
WIDTH = math.log(1.01)
BINS = 2560


def bins_of(latency_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin numbers, shape (n,), of latencies in seconds (shape (n,), finite and not negative)."""
    with np.errstate(divide="ignore"):
        positions = np.log(latency_s * (1 / FIRST_EDGE_S))
    positions *= 1 / WIDTH
    np.clip(positions, 0, BINS - 1, out=positions)
    return positions.astype(np.int64)


def latency_at(position: float) -> float:
    """Return the latency in seconds at a position on the axis of bins."""
    return FIRST_EDGE_S * math.exp(position * WIDTH)


def position_of(latency_s: float) -> float:
    """Return the position of a latency in seconds; the inverse of ``latency_at``."""
    return math.log(max(latency_s, FIRST_EDGE_S) / FIRST_EDGE_S) / WIDTH


def shift(factor: float) -> float:
    """Return the number of positions between two latencies that differ by ``factor``."""
    return math.log(factor) / WIDTH
