"""Types for JSON documents. Imports nothing heavy, so that every room can use it."""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A document whose shape is not typed yet. New code uses JsonValue, or a TypedDict where the shape is known."""

JsonScalar: TypeAlias = "bool | int | float | str | None"
"""A JSON value that is no list and no object."""

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What ``json.loads`` returns."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object."""
