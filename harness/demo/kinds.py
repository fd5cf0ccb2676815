"""The kinds of builds of reviews: a good one, and some with a known defect."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The defect of a build."""

    GOOD = "good"
    SLOW = "slow"
    ERRORS = "errors"
    FRAGILE = "fragile"
    MARGINAL = "marginal"
