"""Compare Istio resources before, during and after a run, as unified diffs of their YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from harness.model.json import JsonObject, JsonValue
from harness.model.record import Record

_MOST_LINES = 400
_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDiff:
    """The diff between two stages of a run.

    lines: pairs of a kind (``add``, ``remove``, ``hunk`` or ``same``) and a text; empty if nothing changed.
    left_out: the number of lines that are not shown.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    left_out: int


def changes(record: Record) -> tuple[ResourceDiff, ...]:
    """Return what the run changed in the mesh and what remained of it; empty if no resource was recorded."""
    stages = {stage: _texts(record.resources.get(stage, ())) for stage in ("before", "during", "after")}
    if not any(stages.values()):
        return ()
    return (
        _change("What the run changed (before → during)", stages["before"], stages["during"]),
        _change("What remained after the run (before → after)", stages["before"], stages["after"]),
    )


def _texts(resources: Sequence[JsonObject]) -> Mapping[str, str]:
    """Return the YAML of each resource by kind and name, without the fields that the API server sets."""
    texts = {}
    for resource in resources:
        own = resource.get("metadata")
        fields = own if isinstance(own, dict) else {}
        metadata: dict[str, JsonValue] = {name: value for name, value in fields.items() if name not in _SERVER_FIELDS}
        title = f"{resource.get('kind')} {metadata.get('namespace', 'default')}/{metadata.get('name')}"
        shown = {name: value for name, value in {**resource, "metadata": metadata}.items() if name != "status"}
        texts[title] = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    return texts


def _change(title: str, old: Mapping[str, str], new: Mapping[str, str]) -> ResourceDiff:
    lines: list[tuple[str, str]] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        diff = list(difflib.unified_diff(before, after, lineterm="", n=4))[2:]
        if diff:
            state = "created" if not before else "deleted" if not after else "changed"
            lines.append(("hunk", f"{name} ({state})"))
            lines += [(_kind(line), line) for line in diff]
    return ResourceDiff(title=title, lines=tuple(lines[:_MOST_LINES]), left_out=max(len(lines) - _MOST_LINES, 0))


def _kind(line: str) -> str:
    return {"+": "add", "-": "remove", "@": "hunk"}.get(line[:1], "same")
