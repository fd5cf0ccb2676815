"""Shapes of resources: which fields exist, and what each may contain.

A shape is a plain value; ``problems`` compares a resource with it. Unknown fields and wrong types are found here;
fields that contradict each other are found in ``harness.routing.istio.checks``.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from harness.errors import UsageError
from harness.model.json import JsonValue
from harness.model.units import parse_duration

At: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong, and where: keys and indices from the top of the resource."""

    at: At
    message: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A plain value. what: what is expected, for messages. accepts: whether a value is valid."""

    what: str
    accepts: Callable[[JsonValue], bool]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values of one shape."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping of the user's own keys to values of one shape."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping with known keys; those in ``required`` must be present."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()


Shape: TypeAlias = Leaf | Listed | Table | Fields


def problems(shape: Shape, value: JsonValue, at: At = ()) -> Iterator[Problem]:
    """Yield everything in ``value`` that does not fit its shape, in the order of the file."""
    match shape:
        case Leaf(what=what, accepts=accepts):
            if not accepts(value):
                yield Problem(at=at, message=f"expected {what}, found {value!r}")
        case Listed(item=item):
            if not isinstance(value, list):
                yield Problem(at=at, message=f"expected a list, found {_kind(value)}")
            else:
                for index, element in enumerate(value):
                    yield from problems(item, element, (*at, index))
        case Table(value=inner):
            if not isinstance(value, dict):
                yield Problem(at=at, message=f"expected a mapping, found {_kind(value)}")
            else:
                for name, element in value.items():
                    yield from problems(inner, element, (*at, name))
        case Fields():
            yield from _field_problems(shape, value, at)


def _field_problems(shape: Fields, value: JsonValue, at: At) -> Iterator[Problem]:
    if not isinstance(value, dict):
        known = ", ".join(sorted(shape.fields))
        yield Problem(at=at, message=f"expected a mapping with the fields {known}, found {_kind(value)}")
        return
    for name, element in value.items():
        if name in shape.fields:
            yield from problems(shape.fields[name], element, (*at, name))
        else:
            yield Problem(at=(*at, name), message=f"unknown field {name!r}{_suggestion(name, shape)}")
    for name in shape.required:
        if name not in value:
            yield Problem(at=at, message=f"expected the field {name!r}, it is missing")


def _suggestion(name: str, shape: Fields) -> str:
    close = difflib.get_close_matches(name, shape.fields, n=1, cutoff=0.7)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return f"{guess} Known: {', '.join(sorted(shape.fields))}" if shape.fields else ""


def _kind(value: JsonValue) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"


def written(at: At) -> str:
    """Return a path as people write it: ``spec.http[0].route``."""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if _is_plain(part) else f"[{part!r}]"
    return text.removeprefix(".")


def _is_plain(part: str) -> bool:
    return re.fullmatch(r"[\w-]+", part) is not None


def text(what: str = "a text") -> Leaf:
    """Accept any text."""
    return Leaf(what, lambda value: isinstance(value, str))


def choice(*values: str) -> Leaf:
    """Return one of some words."""
    return Leaf(f"one of {', '.join(values)}", lambda value: value in values)


def flag() -> Leaf:
    """Accept true and false."""
    return Leaf("true or false", lambda value: isinstance(value, bool))


def whole(low: int, high: int, what: str = "") -> Leaf:
    """Return a whole number from ``low`` to ``high``."""
    return Leaf(what or f"a whole number from {low} to {high}", lambda value: _is_whole(value) and low <= value <= high)


def number(accepts: Callable[[float], bool], what: str) -> Leaf:
    """Return a finite number that ``accepts`` takes."""

    def fits(value: JsonValue) -> bool:
        return (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and abs(value) <= sys.float_info.max
            and accepts(value)
        )

    return Leaf(what, fits)


def span(*, zero: bool = False) -> Leaf:
    """Return a duration of whole milliseconds, at least one unless ``zero`` is allowed."""
    return Leaf(
        "a duration of whole milliseconds, at least 1ms, such as 250ms, 7s or 1m30s",
        lambda value: isinstance(value, str) and _is_span(value, zero=zero),
    )


_LONGEST_S = 9_223_372_036
"""Some 292 years: what 64 bits of nanoseconds hold, in which Istio counts."""


def _is_span(value: str, *, zero: bool) -> bool:
    try:
        milliseconds = parse_duration(value) * 1000
    except UsageError:
        return False
    whole_milliseconds = abs(milliseconds - round(milliseconds)) < 1e-6
    in_bounds = round(milliseconds) >= 1 or (zero and milliseconds == 0)
    return whole_milliseconds and in_bounds and milliseconds <= _LONGEST_S * 1000


def _is_whole(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
