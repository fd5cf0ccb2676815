"""Read typed fields of a JSON object of Kayenta's; every error names the path of the field.

Kayenta reads documents with Jackson, which turns scalars into text and text into numbers, and drops unknown fields.
This module does the same, but returns a warning for each unknown field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.errors import JudgeInputError, located
from harness.model.json import JsonValue
from harness.printable import shown
from harness.yaml_files import parse_documents

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPECIAL = {"NaN": "nan", "Infinity": "inf", "INF": "inf", "-Infinity": "-inf", "-INF": "-inf"}


def parse_document(text: str, *, file: str, not_a_number: bool = False) -> JsonValue:
    """Return the document in ``text``: YAML if ``file`` ends in .yaml or .yml, else JSON.

    ``not_a_number`` allows the words NaN and Infinity in JSON. Raises JudgeInputError for text that cannot be parsed.
    """
    try:
        document: JsonValue
        if file.endswith((".yaml", ".yml")):
            document = _yaml(text, file)
        else:
            document = json.loads(text, parse_constant=float if not_a_number else _no_constant)
    except (ValueError, RecursionError) as error:
        raise JudgeInputError(f"{file}: expected {_format(file)}: {error}") from error
    return document


def _yaml(text: str, file: str) -> JsonValue:
    documents = parse_documents(text, file=Path(file), error=_refusal)
    if len(documents) > 1:
        raise JudgeInputError(f"{file}: expected one YAML document, found {len(documents)}")
    return documents[0].value if documents else None


def _refusal(message: str, *, file: Path, line: int | None) -> JudgeInputError:
    return JudgeInputError(located(message, file=file, line=line, path=None))


def _format(file: str) -> str:
    return "YAML" if file.endswith((".yaml", ".yml")) else "JSON (a YAML file ends in .yaml or .yml)"


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def rejection(path: str, expected: str, found: object) -> JudgeInputError:
    """Return the error for a field that Kayenta also rejects."""
    try:
        text = json.dumps(found, default=str, ensure_ascii=False)
    except ValueError:  # an integer of more than 4300 digits
        text = shown(found)
    return JudgeInputError(f"{path}: expected {expected}, found {text if len(text) <= 80 else text[:77] + '...'}")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object in the document, and its path."""

    values: dict[str, JsonValue]
    path: str = ""

    @classmethod
    def of(cls, value: JsonValue, path: str) -> Fields:
        """Return the fields of an object. Raises JudgeInputError for any other value."""
        if not isinstance(value, dict):
            raise rejection(path or "document", "an object", value)
        return cls({str(key): item for key, item in value.items()}, path)

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def child(self, key: str) -> Fields | None:
        """Return the object in a field, or None if it is absent or null."""
        value = self.values.get(key)
        return None if value is None else Fields.of(value, self.at(key))

    def children(self, key: str) -> Iterator[Fields]:
        """Yield the objects in a list; an absent list is empty."""
        for index, value in enumerate(self.entries(key) or []):
            yield Fields.of(value, f"{self.at(key)}[{index}]")

    def entries(self, key: str) -> list[JsonValue] | None:
        """Return the list in a field, or None if it is absent or null."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise rejection(self.at(key), "a list", value)
        return value

    def text(self, key: str) -> str | None:
        """Return the text in a field; convert numbers and booleans to text, as Jackson does."""
        value = self.values.get(key)
        return None if value is None else as_text(value, self.at(key))

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts, or None if it is absent or null."""
        values = self.entries(key)
        if values is None:
            return None
        return tuple(as_text(value, f"{self.at(key)}[{index}]") for index, value in enumerate(values))

    def text_map(self, key: str) -> dict[str, str]:
        """Return an object whose values are texts; an absent object is empty."""
        child = self.child(key)
        return {} if child is None else {name: as_text(value, child.at(name)) for name, value in child.values.items()}

    def number(self, key: str) -> float | None:
        """Return the number in a field; convert text that is a number, as Jackson does."""
        value = self.values.get(key)
        return None if value is None else as_number(value, self.at(key))

    def unknown(self, known: Collection[str]) -> list[str]:
        """Return a warning for each field that Kayenta does not read."""
        return [
            f"{self.at(key)}: unknown field, ignored (known here: {', '.join(sorted(known))})"
            for key in self.values
            if key not in known
        ]


def as_text(value: JsonValue, path: str) -> str:
    """Return a scalar as text. Raises JudgeInputError for null, an object or a list."""
    if isinstance(value, (dict, list)) or value is None:
        raise rejection(path, "text", value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(value: JsonValue, path: str) -> float:
    """Return the value of a JSON number, or of text such as ``"1.5"``, ``"NaN"`` and ``"Infinity"``.

    Raises JudgeInputError for any other value.
    """
    if isinstance(value, str):
        text = value.strip()
        if text in _SPECIAL or _NUMBER.fullmatch(text):
            return float(_SPECIAL.get(text, text))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    raise rejection(path, "a number", value)
