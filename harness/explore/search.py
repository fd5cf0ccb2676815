"""Search for breaking points: which amount of a fault to try next, from what earlier probes showed. Pure functions.

A *probe* is one amount of the fault, tried on both arms at once. Amounts grow by a factor of two, from mild to harsh,
until every arm has broken or the largest amount was tried. Then the interval between the largest amount that an arm
withstood and the smallest that broke it is halved, on a logarithmic scale. An arm that withstands an amount is assumed
to withstand smaller ones. Noise can contradict that: a busy machine makes an arm fail for seconds that withstands the
fault. So an arm counts as broken when two probes of an amount agree, and both ends of the last interval are tried
twice. Of contradicting probes the majority counts; where they are tied, the amount is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.breaking_point import BreakingPoint
from harness.model.samples import ARMS

MOST_TRIES = 5
_AGREE = 2
"""How many probes have to agree that an arm breaks."""
_FACTOR = 2.0
_PLACES = (0.5, 0.25, 0.75)
"""Where in an interval an amount is tried: in the middle, or next to it if the middle decided nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Amounts to search: from ``low`` to ``high``, to a relative ``precision`` (0.05 is 5 per cent).

    rounded: returns the nearest amount that the fault can have. asked: an amount that somebody wants to know about, so
    it is tried if it lies between what an arm withstood and what broke it.
    """

    low: float
    high: float
    precision: float = 0.05
    rounded: Callable[[float], float] = float
    asked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one amount did. broke: by arm, whether it left its tolerance; None if that could not be decided."""

    amount: float
    broke: Mapping[str, bool | None]


def breaking_point(probes: Sequence[Probe], arm: str) -> BreakingPoint:
    """Return what the probes show of an arm, by the majority at each amount."""
    told: dict[float, list[bool | None]] = {}
    for probe in probes:
        told.setdefault(probe.amount, []).append(probe.broke.get(arm))
    first = min((amount for amount, votes in told.items() if _broken(votes)), default=None)
    held = [
        amount
        for amount, votes in told.items()
        if votes.count(False) > votes.count(True) and (first is None or amount < first)
    ]
    return BreakingPoint(withstood=max(held, default=None), broke=first)


def _broken(votes: Sequence[bool | None]) -> bool:
    return votes.count(True) >= _AGREE and votes.count(True) > votes.count(False)


def next_amount(probes: Sequence[Probe], wanted: Range, arms: Sequence[str] = ARMS) -> float | None:
    """Return the amount to try next, or None when the search is over."""
    return (
        _undecided(probes, arms)
        or _harsher(probes, wanted, arms)
        or _asked(probes, wanted, arms)
        or _between(probes, wanted, arms)
        or _confirmation(probes, arms)
    )


def is_open(probes: Sequence[Probe], wanted: Range, arm: str) -> bool:
    """Return whether what is known of an arm is less than was asked for: its interval is wider than the precision."""
    point = breaking_point(probes, arm)
    low, high = wanted.rounded(wanted.low), wanted.rounded(wanted.high)
    if point.broke is None:
        return (point.withstood or 0.0) < high
    if point.withstood is None:
        return point.broke > low
    middle = wanted.rounded(math.sqrt(point.withstood * point.broke))
    return point.broke > point.withstood * (1 + wanted.precision) and point.withstood < middle < point.broke


def _undecided(probes: Sequence[Probe], arms: Sequence[str]) -> float | None:
    """Return the last amount again if an arm's probes of it are tied, decided nothing, or show a break once only."""
    if not probes:
        return None
    amount = probes[-1].amount
    same = [probe for probe in probes if probe.amount == amount]
    if len(same) >= MOST_TRIES:
        return None
    for arm in arms:
        told = [probe.broke.get(arm) for probe in same]
        broke = breaking_point(probes, arm).broke
        known = broke is not None and broke <= amount  # what is harsher tells nothing new
        if told.count(True) >= told.count(False) and not known:
            return amount
    return None


def _harsher(probes: Sequence[Probe], wanted: Range, arms: Sequence[str]) -> float | None:
    """Return the next amount of the ladder while an arm has not broken."""
    if not probes:
        return wanted.rounded(wanted.low)
    if all(breaking_point(probes, arm).broke is not None for arm in arms):
        return None
    harshest = max(probe.amount for probe in probes)
    if harshest >= wanted.rounded(wanted.high):
        return None
    return wanted.rounded(min(harshest * _FACTOR, wanted.high))


def _asked(probes: Sequence[Probe], wanted: Range, arms: Sequence[str]) -> float | None:
    """Return the amount that was asked about, if it was not tried and an arm may withstand it or not."""
    if wanted.asked is None or any(probe.amount == wanted.asked for probe in probes):
        return None
    points = [breaking_point(probes, arm) for arm in arms]
    unknown = any((point.withstood or 0.0) < wanted.asked < (point.broke or math.inf) for point in points)
    return wanted.asked if unknown else None


def _between(probes: Sequence[Probe], wanted: Range, arms: Sequence[str]) -> float | None:
    """Return an amount inside the widest interval that is wider than the precision."""
    tried = {probe.amount for probe in probes}
    found: tuple[float, float] | None = None
    for arm in arms:
        point = breaking_point(probes, arm)
        if point.broke is None or point.withstood is None:
            continue
        width = point.broke / point.withstood
        between = (wanted.rounded(point.withstood * width**place) for place in _PLACES)
        new = [one for one in between if point.withstood < one < point.broke and one not in tried]
        if width > 1 + wanted.precision and new and (found is None or width > found[0]):
            found = width, new[0]
    return None if found is None else found[1]


def _confirmation(probes: Sequence[Probe], arms: Sequence[str]) -> float | None:
    """Return an end of an arm's interval that was tried only once."""
    tries: dict[float, int] = {}
    for probe in probes:
        tries[probe.amount] = tries.get(probe.amount, 0) + 1
    for arm in arms:
        point = breaking_point(probes, arm)
        for end in (point.broke, point.withstood) if point.broke is not None else ():
            if end is not None and tries[end] < 2:
                return end
    return None
