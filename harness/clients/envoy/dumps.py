"""Compare a part of Envoy's configuration dump with what is expected in it."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.json import Json, JsonValue
from harness.model.units import parse_duration

_FIRST_VALUES = frozenset({"ROUND_ROBIN", "STATIC"})
"""Values of enumerations that are zero, so that Envoy leaves them out."""


def contains(found: Json, wanted: JsonValue) -> bool:
    """Return whether ``found`` has all that is wanted.

    Envoy omits fields that are zero, and writes durations in its own form.
    """
    if isinstance(wanted, dict):
        return all(contains(message_field(found or {}, name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return all(any(contains(item, one) for item in found or ()) for one in wanted)
    if isinstance(found, dict) and set(found) == {"value"}:
        found = found["value"]
    is_left_out = found is None and wanted in _FIRST_VALUES
    return is_left_out or (found or 0) == (wanted or 0) or _same_duration(found, wanted)


def message_field(message: Json, name: str) -> Json | None:
    """Return a field of a message: Envoy writes its name as the protocol does, istiod in camel case."""
    first, *rest = name.split("_")
    return message.get(name, message.get(first + "".join(word.title() for word in rest)))


def _same_duration(found: Json, wanted: JsonValue) -> bool:
    try:
        return isinstance(wanted, str) and parse_duration(found or "0s") == parse_duration(wanted)
    except UsageError:
        return False
