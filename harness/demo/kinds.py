"""Builds of reviews that go wrong in known ways."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is wrong with a build."""

    GOOD = "good"
    SLOW = "slow"
    ERRORS = "errors"
    FRAGILE = "fragile"
