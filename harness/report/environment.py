"""Format the environment and the configuration of a run as text, with secrets hidden."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from harness.model import formatting
from harness.model.json import JsonValue
from harness.model.masking import masked


def environment_rows(manifest: Mapping[str, JsonValue], path: str = "") -> list[tuple[str, str]]:
    """Return the values of nested mappings with their dotted names, with secret values hidden."""
    rows: list[tuple[str, str]] = []
    for name, value in masked(manifest).items():
        here = f"{path}{name}"
        if isinstance(value, dict):
            rows += environment_rows(value, f"{here}.")
        else:
            text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((formatting.printable(here), formatting.printable(text)))
    return rows


def configuration_text(config: Mapping[str, JsonValue]) -> str:
    """Return the configuration as YAML with secret values hidden; an empty text if there is none."""
    return yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True) if config else ""
