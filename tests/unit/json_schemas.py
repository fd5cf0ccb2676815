"""The JSON Schemas of docs/json-output.md, and the check that a document fits the one it claims."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

PAGE = (Path(__file__).parents[2] / "docs" / "json-output.md").read_text(encoding="utf-8")
SCHEMAS: dict[str, dict[str, Any]] = {
    schema["$id"]: schema for schema in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
}


def require_fit(document: Mapping[str, Any], name: str) -> None:
    """Fail unless a document fits the schema called ``name``, and the page lists every key at its top."""
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document.get("schema", name) == name
    unlisted = set(document) - set(schema["properties"])
    assert not unlisted, f"docs/json-output.md does not list these keys: {sorted(unlisted)}"
