"""A line of ``harness doctor``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One check and its result. required: nothing runs without it."""

    what: str
    found: str
    good: bool
    required: bool = True
    remedy: str = ""


def tried(what: str, look: Callable[[], str], remedy: str) -> Line:
    """Return the line of a required check, which returns what it found or raises a HarnessError."""
    try:
        return Line(what=what, found=look(), good=True)
    except HarnessError as error:
        return Line(what=what, found=str(error), good=False, remedy=remedy)
