"""The fault that is searched, written as ``delay(ratings)``, ``delay(ratings, 2s)`` or ``abort(ratings, 503)``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.explore.search import Range
from harness.faults import Arguments, Fault, known_faults
from harness.model.breaking_point import SHARE, TIME
from harness.model.units import format_duration, format_percent, parse_duration, parse_percent

_FAULT = re.compile(r"\s*(?P<kind>[a-z_]+)\s*\(\s*(?P<host>[^\s,()]+)\s*(?:,\s*(?P<value>[^,()]+?)\s*)?\)\s*")
_ASKED = "--at-least"
_SHORTEST_S, _LONGEST_S = 0.01, 5.0
_FEWEST, _MOST = 0.01, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A fault with one amount left open: its time, or the share of requests that it hits.

    text: as the user wrote it. of: returns the fault with an amount (seconds, or a share in (0, 1]). show: returns an
    amount as people write it. what: the amount in words.
    """

    text: str
    host: str
    what: str
    range: Range
    of: Callable[[float], Fault]
    show: Callable[[float], str]


def searched(
    text: str, *, low: str | None, high: str | None, precision: float = 0.05, asked: str | None = None
) -> Searched:
    """Return the fault that ``text`` describes.

    low, high: the bounds of the search, or None for the usual ones. asked: an amount that has to be tried, or None. A
    fault that takes a time and got none is searched by time, at all requests; every other by the share of requests.
    Raises UsageError for anything that cannot be searched.
    """
    found = _FAULT.fullmatch(text)
    faults = known_faults()
    if found is None or found["kind"] not in faults:
        kinds = ", ".join(sorted(kind for kind, fault in faults.items() if _has_share(fault)))
        raise UsageError(
            f"--fault {text!r}: expected KIND(HOST) or KIND(HOST, VALUE), such as delay(ratings) or abort(ratings, "
            f"503); kinds that can be searched: {kinds}"
        )
    kind, host, value = faults[found["kind"]], found["host"], found["value"]
    if not _has_share(kind):
        raise UsageError(f"--fault {text!r}: {kind.kind} hits no share of requests, so a harsher one is not known")
    if value is None and kind.usage.value == "TIME":
        limits = (_time(low, _SHORTEST_S), _time(high, _LONGEST_S))
        wanted = _range(*limits, precision, lambda seconds: round(seconds, 3))
        return _checked(
            asked,
            Searched(
                text=text.strip(), host=host, what=TIME, range=wanted, show=format_duration,
                of=lambda seconds: kind.parse(Arguments(host=host, value=f"{round(seconds * 1000)}ms", percent="100")),
            ),
        )  # fmt: skip
    shares = (_share(low, _FEWEST), _share(high, _MOST))
    return _checked(
        asked,
        Searched(
            text=text.strip(), host=host, what=SHARE, show=format_percent,
            range=_range(*shares, precision, lambda share: round(share, 4)),
            of=lambda share: kind.parse(Arguments(host=host, value=value or "", percent=f"{share * 100:g}")),
        ),
    )  # fmt: skip


def _checked(asked: str | None, wanted: Searched) -> Searched:
    """Return it with the amount that was asked about.

    Both ends of its range are made into faults, so that mistakes are found before the search.
    """
    low, high = wanted.range.low, wanted.range.high
    for amount in (low, high):
        wanted.of(amount)
    if asked is None:
        return wanted
    parse = parse_duration if wanted.what == TIME else parse_percent
    amount = wanted.range.rounded(parse(asked, _ASKED))
    if not low <= amount <= high:
        raise UsageError(
            f"{_ASKED}: expected {wanted.show(low)} to {wanted.show(high)} (--from, --up-to), found {asked}"
        )
    return replace(wanted, range=replace(wanted.range, asked=amount))


def _range(low: float, high: float, precision: float, rounded: Callable[[float], float]) -> Range:
    if not precision > 0:
        raise UsageError("--precision: expected more than 0 %")
    if not 0 < rounded(low) < high:
        raise UsageError(
            f"--from, --up-to: expected a smaller and a larger amount above zero, found {low:g} to {high:g}"
        )
    return Range(low=low, high=high, precision=precision, rounded=rounded)


def _has_share(kind: type[Fault]) -> bool:
    """Return whether a fault hits a share of requests: then it is harsher the larger its amount is."""
    return "dose" in getattr(kind, "__dataclass_fields__", {})


def _time(text: str | None, usual: float) -> float:
    return usual if text is None else parse_duration(text, "--from, --up-to")


def _share(text: str | None, usual: float) -> float:
    return usual if text is None else parse_percent(text, "--from, --up-to")
