"""Read values in a metric's free-form ``analysisConfigurations`` as Kayenta's MapUtils does.

Unlike the rest of a configuration, these values have no declared types: Kayenta does not turn text into numbers, and
a wrong type ends the whole judgement with an error.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

from harness.judge.kayenta.fields import rejection
from harness.model.json import JsonValue

_INT_LIMIT = 2**31


class Absent(Enum):
    """Marks a path without a value, which differs from a value of null."""

    ABSENT = "absent"


ABSENT: Literal[Absent.ABSENT] = Absent.ABSENT


def lookup(value: JsonValue, path: tuple[str, ...]) -> JsonValue | Literal[Absent.ABSENT]:
    """Return the value at ``path``, or ABSENT; a list on the way gives the list of its items' values."""
    if not path:
        return value
    if isinstance(value, dict):
        return lookup(value[path[0]], path[1:]) if path[0] in value else ABSENT
    if isinstance(value, list):
        found = [item for item in (lookup(item, path) for item in value) if item is not Absent.ABSENT]
        return found or ABSENT
    return ABSENT


def text_at(value: JsonValue, path: tuple[str, ...], default: str, *, where: str) -> str:
    """Return the text at ``path``; convert other types to text, which then matches no choice.

    Raises JudgeInputError for null.
    """
    found = lookup(value, path)
    if found is Absent.ABSENT:
        return default
    if found is None:
        raise rejection(_place(where, path), "text", found)
    return str(found).lower() if isinstance(found, bool) else str(found)


def flag_at(value: JsonValue, path: tuple[str, ...], *, where: str) -> bool:
    """Return the boolean at ``path``, or False if it is absent or null.

    Raises JudgeInputError for any other type, such as the text ``"true"``.
    """
    found = lookup(value, path)
    if found is Absent.ABSENT or found is None:
        return False
    if not isinstance(found, bool):
        raise rejection(_place(where, path), "true or false without quotes", found)
    return found


def number_at(value: JsonValue, path: tuple[str, ...], default: float, *, where: str) -> float:
    """Return the number at ``path``; null means 0.

    Raises JudgeInputError for text and for integers that do not fit into 32 bits.
    """
    found = lookup(value, path)
    if found is Absent.ABSENT:
        return default
    if found is None:
        return 0.0
    if isinstance(found, float):
        return found
    if not isinstance(found, int) or isinstance(found, bool) or not -_INT_LIMIT <= found < _INT_LIMIT:
        raise rejection(_place(where, path), "a number without quotes", found)
    return float(found)


def _place(where: str, path: tuple[str, ...]) -> str:
    return ".".join((where, *path))
