"""Add numbers the same way in every version of Python."""

import operator
from collections.abc import Iterable
from functools import reduce


def plain_sum(values: Iterable[float]) -> float:
    """Add from left to right, rounding after each step.

    ``sum`` does so up to Python 3.11 and corrects the rounding since 3.12, so its last digits depend on the version. An
    analysis has the same bytes in all of them.
    """
    return reduce(operator.add, values, 0.0)
