"""The files from which a running Envoy reads its configuration (filesystem xDS)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from harness.errors import EnvoyError
from harness.model.json import JsonObject

_TYPES = "type.googleapis.com/envoy.config."
Files: TypeAlias = Mapping[str, tuple[str, str, Sequence[JsonObject]]]
"""The name of a file, its version and its resources, by the name under which Envoy counts its updates."""


def table_file(name: str) -> str:
    """Return the name of the file of a route table."""
    return f"rds-{name}.json"


def table_files(tables: Mapping[str, JsonObject]) -> Files:
    """Return the files of route tables.

    A version is the hash of the table's content, because Envoy keeps the old version if the content is the same.
    """
    return {
        name: (table_file(name), _content(table), [typed("route.v3.RouteConfiguration", table)])
        for name, table in tables.items()
    }


def _content(table: JsonObject) -> str:
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()[:16]


def versions_of(files: Files) -> dict[str, str]:
    """Return the versions of files by the name under which Envoy counts their updates."""
    return {name: version for name, (_, version, _) in files.items()}


def typed(kind: str, value: JsonObject) -> JsonObject:
    """Return one of Envoy's resources with its type, such as ``cluster.v3.Cluster``."""
    return {"@type": f"{_TYPES}{kind}", **value}


def write_files(folder: Path, files: Files) -> None:
    """Write temporary files and rename them: Envoy watches for the rename and never reads half a file."""
    for name, version, resources in files.values():
        path, temporary = folder / name, folder / f".{name}.new"
        try:
            temporary.write_text(json.dumps({"version_info": version, "resources": list(resources)}))
            temporary.replace(path)
        except OSError as error:
            raise EnvoyError(f"{path}: Envoy's configuration cannot be written: {error.strerror or error}") from error
