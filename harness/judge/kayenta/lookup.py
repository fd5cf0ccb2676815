"""Values in a metric's free-form ``analysisConfigurations``, read the way Kayenta's MapUtils reads them.

Unlike the rest of a configuration these are not bound to types: text is not turned into numbers, and
a wrong type ends the whole judgement.
"""

from __future__ import annotations

from enum import Enum

from harness.judge.kayenta.fields import refuse
from harness.model.json import Json

_INT_LIMIT = 2**31


class Absent(Enum):
    """Nothing at that path, which is not the same as null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


def lookup(value: Json, path: tuple[str, ...]) -> Json:
    """What stands at ``path``; a list on the way is mapped over; ABSENT where there is nothing."""
    if not path:
        return value
    if isinstance(value, dict):
        return lookup(value[path[0]], path[1:]) if path[0] in value else ABSENT
    if isinstance(value, list):
        found = [item for item in (lookup(item, path) for item in value) if item is not ABSENT]
        return found or ABSENT
    return ABSENT


def text_at(value: Json, path: tuple[str, ...], default: str, *, where: str) -> str:
    """Text at ``path``; null is refused, other types are written out (and so mean nothing)."""
    found = lookup(value, path)
    if found is ABSENT:
        return default
    if found is None:
        raise refuse(_place(where, path), "text", found)
    return str(found).lower() if isinstance(found, bool) else str(found)


def flag_at(value: Json, path: tuple[str, ...], *, where: str) -> bool:
    """True or false at ``path``, false where absent or null; ``"true"`` as text is refused."""
    found = lookup(value, path)
    if found is ABSENT or found is None:
        return False
    if not isinstance(found, bool):
        raise refuse(_place(where, path), "true or false without quotes", found)
    return found


def number_at(value: Json, path: tuple[str, ...], default: float, *, where: str) -> float:
    """A number at ``path``; null is 0; text and integers beyond 32 bits are refused."""
    found = lookup(value, path)
    if found is ABSENT:
        return default
    if found is None:
        return 0.0
    is_int = isinstance(found, int) and not isinstance(found, bool) and -_INT_LIMIT <= found < _INT_LIMIT
    if not is_int and not isinstance(found, float):
        raise refuse(_place(where, path), "a number without quotes", found)
    return float(found)


def _place(where: str, path: tuple[str, ...]) -> str:
    return ".".join((where, *path))
