"""JSON files of a record: read whole, checked against a type, and reported with their path when they do not fit."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from harness.errors import RecordError
from harness.model.json import JsonObject, JsonValue, parse_json
from harness.printable import shown

_Value = TypeVar("_Value")


def load(path: Path) -> JsonValue:
    """Return the JSON value in a file of the record. Raises RecordError if there is none."""
    if not path.is_file():
        raise RecordError(f"{path}: expected a file of the record, found none; the run was not recorded completely")
    return parsed(content_of(path), path)


def content_of(path: Path) -> bytes:
    """Return the content of a file of the record. Raises RecordError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: expected a file of the record, found: {error.strerror or error}") from error


def parsed(text: bytes, path: Path) -> JsonValue:
    """Return the JSON value of a text from a file. Raises RecordError if it is no JSON."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise RecordError(f"{path}: expected JSON, found something else: {error}") from error


def valid_object(value: JsonValue, path: Path) -> JsonObject:
    """Return a value from a file that must be a JSON object. Raises RecordError for another one."""
    if not isinstance(value, dict):
        raise RecordError(f"{path}: expected a JSON object, found {shown(value)}")
    return value


def valid(kind: type[_Value], value: JsonValue, path: Path) -> _Value:
    """Return a value from a file as a type. Raises RecordError if it does not fit."""
    try:
        return cast("_Value", _adapter(cast("Hashable", kind)).validate_python(value))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole value"
        raise RecordError(
            f"{path}: {place}: {first['msg']}, found {shown(first['input'])} ({error.error_count()} values do not fit)"
        ) from error


@cache
def _adapter(kind: type[object]) -> TypeAdapter[object]:
    return TypeAdapter(kind)
