"""The environment and the configuration of a run as text, with secrets left out."""

from __future__ import annotations

import yaml

from harness.model.json import Json
from harness.model.masking import masked
from harness.report import words


def environment_rows(manifest: Json, path: str = "") -> list[tuple[str, str]]:
    """Return the values of nested mappings with their dotted names, with secret values hidden."""
    rows: list[tuple[str, str]] = []
    for name, value in masked(manifest).items():
        here = f"{path}{name}"
        if isinstance(value, dict):
            rows += environment_rows(value, f"{here}.")
        else:
            text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((words.printable(here), words.printable(text)))
    return rows


def configuration_text(config: Json) -> str:
    """Return the configuration as YAML with secret values hidden; an empty text when there is none."""
    return yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True) if config else ""
