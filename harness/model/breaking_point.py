"""The breaking point of an arm: the smallest amount of a fault that it does not withstand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

TIME, SHARE = "time", "share of requests"
"""What is searched: the time of a fault in seconds, or the share of requests that it hits, in (0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakingPoint:
    """What is known of an arm.

    withstood: the largest amount that it withstood below the first one that broke it, or None. broke: the smallest
    amount that broke it, or None.
    """

    withstood: float | None
    broke: float | None

    @property
    def estimate(self) -> float | None:
        """The middle of the interval on a logarithmic scale; None if the arm did not break."""
        if self.broke is None:
            return None
        return self.broke if self.withstood is None else math.sqrt(self.withstood * self.broke)

    def said(self, show: Callable[[float], str]) -> str:
        """Return it in words. show: returns an amount as people write it."""
        if self.broke is None:
            return "was not decided" if self.withstood is None else f"withstands {show(self.withstood)}"
        if self.withstood is None:
            return f"breaks at {show(self.broke)} or less"
        middle = math.sqrt(self.withstood * self.broke)
        return f"breaks at {show(middle)} (withstands {show(self.withstood)}, breaks at {show(self.broke)})"
