"""Count how often small numbers occur among millions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def tally(values: NDArray[np.integer], rows: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Return how often each number below ``size`` occurs in the chosen rows of ``values``, shape (size,).

    values: shape (n,), from 0 to ``size`` - 1. rows: which of them count, shape (n,). In a run most statuses are equal,
    and so are most endpoints. Therefore the first value is counted by a comparison, which is far faster.
    """
    if not len(values):
        return np.zeros(size, np.int64)
    usual = int(values[0])
    others = values[rows & (values != usual)]
    counts = np.bincount(others, minlength=size)
    counts[usual] += np.count_nonzero(rows) - len(others)
    return counts
