"""Compare a part of Envoy's configuration dump with what is expected in it."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.json import JsonObject, JsonValue, objects_at
from harness.model.units import parse_duration

_FIRST_VALUES = frozenset({"ROUND_ROBIN", "STATIC"})
"""Values of enumerations that are zero, so that Envoy leaves them out."""


def contains(found: JsonValue, wanted: JsonValue) -> bool:
    """Return whether ``found`` has all that is wanted.

    Envoy omits fields that are zero, and writes durations in its own form.
    """
    if isinstance(wanted, dict):
        message = found if isinstance(found, dict) else {}
        return all(contains(message_field(message, name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        items = found if isinstance(found, list) else []
        return all(any(contains(item, one) for item in items) for one in wanted)
    if isinstance(found, dict) and set(found) == {"value"}:
        found = found["value"]
    is_left_out = found is None and wanted in _FIRST_VALUES
    return is_left_out or (found or 0) == (wanted or 0) or _same_duration(found, wanted)


def message_field(message: JsonObject, name: str) -> JsonValue:
    """Return a field of a message: Envoy writes its name as the protocol does, istiod in camel case."""
    first, *rest = name.split("_")
    return message.get(name, message.get(first + "".join(word.title() for word in rest)))


def messages(message: JsonObject, name: str) -> list[JsonObject]:
    """Return the messages in a repeated field. Raises ShapeError if the field contains something else."""
    return objects_at({name: message_field(message, name)}, name)


def _same_duration(found: JsonValue, wanted: JsonValue) -> bool:
    try:
        said = found or "0s"
        return isinstance(wanted, str) and isinstance(said, str) and parse_duration(said) == parse_duration(wanted)
    except UsageError:
        return False
