"""Logarithmic latency bins one per cent wide: where a latency falls, and which latency a position means.

Positions are real numbers on the axis of bins: position k is the lower edge of bin k, and a factor
of r between two latencies is ``shift(r)`` positions, whatever the latencies are. So a tolerance of
+10 % is the same move everywhere on the axis. Values below a microsecond fall into the first bin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FIRST_EDGE_S = 1e-6
WIDTH = math.log(1.01)
BINS = 2560


def bins_of(latency_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin numbers of latencies (seconds, shape (n,), finite and not negative)."""
    with np.errstate(divide="ignore"):
        positions = np.log(latency_s * (1 / FIRST_EDGE_S))
    positions *= 1 / WIDTH
    np.clip(positions, 0, BINS - 1, out=positions)
    return positions.astype(np.int64)


def latency_at(position: float) -> float:
    """Latency in seconds at a position on the axis of bins."""
    return FIRST_EDGE_S * math.exp(position * WIDTH)


def position_of(latency_s: float) -> float:
    """Position of a latency in seconds; the inverse of ``latency_at``."""
    return math.log(max(latency_s, FIRST_EDGE_S) / FIRST_EDGE_S) / WIDTH


def shift(factor: float) -> float:
    """How many positions a factor between two latencies is."""
    return math.log(factor) / WIDTH
