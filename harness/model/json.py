"""Define types for JSON documents and checked access to them. Imports nothing heavy, so every package can use it."""

from __future__ import annotations

import json
from typing import TypeAlias

from harness.errors import ShapeError

JsonScalar: TypeAlias = "bool | int | float | str | None"
"""A JSON value that is neither a list nor an object."""

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


def value_at(document: JsonValue, *path: str) -> JsonValue:
    """Return the value at a path of keys, or None if a key of the path is absent or null.

    Raises ShapeError if the path leads through a value that is not an object.
    """
    node = document
    for depth, name in enumerate(path):
        if node is None:
            return None
        if not isinstance(node, dict):
            raise _misshapen(node, "an object", path[:depth])
        node = node.get(name)
    return node


def object_at(document: JsonValue, *path: str) -> JsonObject:
    """Return the object at a path of keys; a new, empty one if it is absent or null. Raises ShapeError for others."""
    found = value_at(document, *path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _misshapen(found, "an object", path)
    return found


def list_at(document: JsonValue, *path: str) -> list[JsonValue]:
    """Return the list at a path of keys; a new, empty one if it is absent or null. Raises ShapeError for others."""
    found = value_at(document, *path)
    if found is None:
        return []
    if not isinstance(found, list):
        raise _misshapen(found, "a list", path)
    return found


def objects_at(document: JsonValue, *path: str) -> list[JsonObject]:
    """Return the objects in the list at a path of keys; none if it is absent or null. Raises ShapeError for others."""
    found = []
    for item in list_at(document, *path):
        if not isinstance(item, dict):
            raise _misshapen(item, "a list of objects", path)
        found.append(item)
    return found


def texts_at(document: JsonValue, *path: str) -> dict[str, str]:
    """Return a copy of the object of texts at a path of keys, such as labels; empty if it is absent or null.

    Raises ShapeError for a value that is not a text.
    """
    texts = {}
    for name, text in object_at(document, *path).items():
        if not isinstance(text, str):
            raise _misshapen(text, "a text", (*path, name))
        texts[name] = text
    return texts


def text_at(document: JsonValue, *path: str, default: str | None = None) -> str:
    """Return the text at a path of keys. Raises ShapeError for any other value.

    default: returned for a text that is absent, null or empty.
    """
    found = value_at(document, *path)
    if not found and default is not None:
        return default
    if not isinstance(found, str):
        raise _misshapen(found, "a text", path)
    return found


def _misshapen(found: JsonValue, what: str, path: tuple[str, ...]) -> ShapeError:
    return ShapeError(f"expected {what}, found {found!r:.100}", path=".".join(path))
