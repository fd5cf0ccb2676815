"""Typed reading of a JSON object of Kayenta's, with the path of a field in every refusal.

Kayenta binds documents with Jackson: scalars turn into text, text into numbers, unknown fields are
dropped. Here they are dropped too, but not silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml

from harness.errors import JudgeInputError
from harness.model.json import Json

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SPECIAL = {"NaN": "nan", "Infinity": "inf", "INF": "inf", "-Infinity": "-inf", "-INF": "-inf"}


def parse_document(text: str, *, file: str, not_a_number: bool = False) -> Json:
    """The document in ``text``: YAML when ``file`` ends in .yaml or .yml, JSON otherwise.

    ``not_a_number`` allows the bare words NaN and Infinity in JSON. Raises JudgeInputError.
    """
    try:
        if file.endswith((".yaml", ".yml")):
            return yaml.safe_load(text)
        return json.loads(text, parse_constant=float if not_a_number else _no_constant)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise JudgeInputError(f"{file}: expected {_format(file)}, found text that is none: {error}") from error


def _format(file: str) -> str:
    return "YAML" if file.endswith((".yaml", ".yml")) else "JSON (a YAML file ends in .yaml or .yml)"


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def refuse(path: str, expected: str, found: object) -> JudgeInputError:
    """The error for a field that Kayenta refuses, too."""
    shown = json.dumps(found, default=str, ensure_ascii=False)
    return JudgeInputError(f"{path}: expected {expected}, found {shown if len(shown) <= 80 else shown[:77] + '...'}")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of the document and where it stands in it."""

    values: dict[str, Json]
    path: str = ""

    @classmethod
    def of(cls, value: Json, path: str) -> Fields:
        """The object ``value``; anything else is refused."""
        if not isinstance(value, dict):
            raise refuse(path or "document", "an object", value)
        return cls({str(key): item for key, item in value.items()}, path)

    def at(self, key: str) -> str:
        """The path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def child(self, key: str) -> Fields | None:
        """The object in a field, or None where it is absent or null."""
        value = self.values.get(key)
        return None if value is None else Fields.of(value, self.at(key))

    def children(self, key: str) -> Iterator[Fields]:
        """The objects in a list; an absent list is empty."""
        for index, value in enumerate(self.entries(key) or []):
            yield Fields.of(value, f"{self.at(key)}[{index}]")

    def entries(self, key: str) -> list[Json] | None:
        """The list in a field, or None where it is absent or null."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise refuse(self.at(key), "a list", value)
        return value

    def text(self, key: str) -> str | None:
        """Text; numbers and booleans are written out, as Jackson does."""
        value = self.values.get(key)
        return None if value is None else as_text(value, self.at(key))

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts."""
        values = self.entries(key)
        if values is None:
            return None
        return tuple(as_text(value, f"{self.at(key)}[{index}]") for index, value in enumerate(values))

    def text_map(self, key: str) -> dict[str, str]:
        """An object whose values are texts."""
        child = self.child(key)
        return {} if child is None else {name: as_text(value, child.at(name)) for name, value in child.values.items()}

    def number(self, key: str) -> float | None:
        """A number; text that reads as one is taken, as Jackson does."""
        value = self.values.get(key)
        return None if value is None else as_number(value, self.at(key))

    def unknown(self, known: Collection[str]) -> list[str]:
        """A warning for each field that nothing reads."""
        return [
            f"{self.at(key)}: unknown field, ignored (known here: {', '.join(sorted(known))})"
            for key in self.values
            if key not in known
        ]


def as_text(value: Json, path: str) -> str:
    """Text of a scalar."""
    if isinstance(value, (dict, list)) or value is None:
        raise refuse(path, "text", value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(value: Json, path: str) -> float:
    """The number in a JSON number or in text such as ``"1.5"``, ``"NaN"`` and ``"Infinity"``."""
    if isinstance(value, str):
        text = value.strip()
        if text in _SPECIAL or _NUMBER.fullmatch(text):
            return float(_SPECIAL.get(text, text))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    raise refuse(path, "a number", value)
