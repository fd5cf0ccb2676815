"""Tell whether a fault hit the requests that it was meant for, as the fault itself judges it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HitState(StrEnum):
    """counted: so many of so many requests. no occasion: in force, but no request met its condition.

    seen: the mesh saw that it was done, which requests need not notice. cannot be measured: no counter shows it.
    """

    COUNTED = "counted"
    NO_OCCASION = "no occasion"
    SEEN = "seen"
    UNMEASURED = "cannot be measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """How many of the requests of one caller a fault hit. why: for people, where it is no plain count."""

    state: HitState = HitState.COUNTED
    hit: int = 0
    requests: int = 0
    why: str = ""
