"""The JSON Schema of ``harness.yaml``, for editors, and the reference of its keys. Both are made from the models."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from harness.config.keys import Keys
from harness.config.mistakes import model_at
from harness.errors import ConfigError
from harness.model.json import JsonObject, JsonValue
from harness.yaml_files import Place, read_documents

SCHEMA_FILE = Path(__file__).with_name("harness.schema.json")
EXAMPLE_FILE = Path(__file__).with_name("example.yaml")
EDITOR_FILE = "harness.schema.json"
EDITOR_LINE = f"# yaml-language-server: $schema={EDITOR_FILE}"
"""The first line of a configuration that lies next to the schema. Editors read it."""
_WIDTH = 100


def schema() -> JsonObject:
    """Return a JSON Schema that accepts what ``read_config`` accepts. It checks one value at a time."""
    document: JsonObject = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Generated from the models in harness/config by: harness config schema",
        **Keys.model_json_schema(by_alias=True),
    }
    return {**_without_titles(document), "title": "harness.yaml"}


def schema_text() -> str:
    """Return the JSON Schema as the text that is stored in the package."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """Return an example with every key. A comment above a key tells its meaning and its default."""
    (document,) = read_documents(EXAMPLE_FILE, ConfigError)
    places: dict[int, Place] = {}
    for place, line in document.lines.items():
        if place:
            places.setdefault(line, place)
    lines: list[str] = []
    explained: set[str] = set()
    for number, text in enumerate(EXAMPLE_FILE.read_text(encoding="utf-8").splitlines(), start=1):
        indent = text[: len(text) - len(text.lstrip())]
        comment = _explained(places[number]) if number in places else ""
        if comment not in explained:
            explained.add(comment)
            lines += [f"{indent}# {line}" for line in textwrap.wrap(comment, _WIDTH - len(indent))]
        lines.append(text)
    return "\n".join(lines) + "\n"


def _explained(place: Place) -> str:
    """Return the comment for a key, or an empty text for a name that the user chose, such as that of a service."""
    section, key = model_at(Keys, place[:-1]), str(place[-1])
    if section is None or key not in section.fields_by_key():
        return ""
    field, default = section.fields_by_key()[key], section.defaults().get(key)
    text = " ".join(str(field.description).split())
    if field.is_required():
        return f"{text} Required."
    if "Default:" in text or default is None or isinstance(default, (dict, list)):
        return text
    return f"{text} Default: {str(default).lower() if isinstance(default, bool) else _shown(default)}."


def _shown(default: JsonValue) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _without_titles(value: JsonObject) -> JsonObject:
    """Return the schema without the titles that pydantic makes from names."""
    return {key: _inside(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}


def _inside(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return _without_titles(value)
    return [_inside(item) for item in value] if isinstance(value, list) else value
