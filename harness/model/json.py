"""Types for JSON documents. Imports nothing heavy, so that every room can use it."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A document whose shape is not typed yet. New code uses JsonValue, or a TypedDict where the shape is known."""

JsonScalar: TypeAlias = "bool | int | float | str | None"
"""A JSON value that is no list and no object."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What ``json.loads`` returns."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object."""


def parse_json(text: str | bytes) -> JsonValue:
    """Return the value of a JSON text from outside. Raises ValueError for every text that cannot be read."""
    try:
        value: JsonValue = json.loads(text)
    except RecursionError as error:
        raise ValueError("too many levels of lists and objects") from error
    return value
