"""Tell CI servers more than JUnit does: GitHub's annotations, GitLab's code quality and metrics, a comment."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import bundle
from harness.model.json import JsonValue
from harness.printable import printable

COMMENT_MARK = "<!-- canary-harness: verdicts -->"
"""The first line of a comment, by which an action finds its own one again and updates it."""
COMMENT_LIMIT_BYTES = 65_000
"""GitHub rejects a comment of more than 65,536 characters."""
CODE_QUALITY, METRICS = "gl-code-quality-report.json", "metrics.txt"
_WORST_FIRST = ("fail", "trouble", "usage", "inconclusive", "marginal", "pass")
_LEVELS: Mapping[str, str] = {"inconclusive": "warning", "marginal": "warning"}
_SEVERITIES: Mapping[str, str] = {"fail": "critical", "trouble": "major", "usage": "major"}
_TITLES: Mapping[str, str] = {"trouble": "no verdict", "usage": "wrong usage"}
_LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One verdict, or one failure without a verdict.

    kind: a verdict, ``trouble`` or ``usage``. place: the test. path, line: where it is; line 1 if that is not known.
    score: None without a verdict. differences: of each objective, by its name and phase.
    """

    kind: str
    place: str
    path: str
    line: int
    message: str
    score: float | None = None
    differences: Mapping[str, float] | None = None


def commands(notes: Sequence[Note], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return GitHub's workflow commands, the worst first; nothing elsewhere and nothing about a pass."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    root = environment.get("GITHUB_WORKSPACE", "")
    return [_annotation(note, root) for note in _ordered(notes) if note.kind != "pass"]


def write_gitlab(notes: Sequence[Note], folder: Path) -> None:
    """Write GitLab's code quality report and its metrics report into ``folder``. Raises RecordError if it cannot."""
    quality: list[JsonValue] = [_quality(note) for note in _ordered(notes) if note.kind != "pass"]
    with bundle.recording(folder):
        text = json.dumps(quality, indent=1, ensure_ascii=False)
        bundle.write_atomically(folder / CODE_QUALITY, text.encode(errors="replace") + b"\n")
        bundle.write_atomically(folder / METRICS, metrics(notes).encode(errors="replace"))


def write_comment(text: str, path: Path) -> None:
    """Write the Markdown of a comment on a pull request. Raises RecordError if it cannot be written."""
    with bundle.recording(path):
        bundle.write_atomically(path, f"{COMMENT_MARK}\n{text}".encode(errors="replace"))


def metrics(notes: Sequence[Note]) -> str:
    """Return scores and differences in the OpenMetrics text format."""
    rows = []
    for note in notes:
        test = _label(note.place)
        if note.score is not None:
            rows.append(f'harness_score{{test="{test}",verdict="{note.kind}"}} {note.score!r}')
        for name, value in (note.differences or {}).items():
            rows.append(f'harness_difference{{test="{test}",objective="{_label(name)}"}} {value!r}')
    return "\n".join([*rows, "# EOF"]) + "\n"


def _ordered(notes: Sequence[Note]) -> list[Note]:
    return sorted(notes, key=lambda note: _WORST_FIRST.index(note.kind) if note.kind in _WORST_FIRST else 1)


def _annotation(note: Note, root: str) -> str:
    level = _LEVELS.get(note.kind, "error")
    path = os.path.relpath(note.path, root) if root and Path(note.path).is_absolute() else note.path
    title = f"{_TITLES.get(note.kind, note.kind)}: {note.place}"
    properties = f"file={_property(path)},line={note.line},title={_property(title)}"
    return f"::{level} {properties}::{_data(note.message)}"


def _data(text: str) -> str:
    """Escape text so that it cannot end the command or begin another one."""
    return printable(text)[:_LONGEST].replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(" ".join(text.split())).replace(":", "%3A").replace(",", "%2C")


def _quality(note: Note) -> dict[str, JsonValue]:
    print_of = "|".join((note.kind, note.place, re.sub(r"[\d.,]+", "#", note.message)))
    return {
        "description": printable(f"{_TITLES.get(note.kind, note.kind)}: {note.message}")[:_LONGEST],
        "check_name": f"harness.{note.kind}",
        "fingerprint": hashlib.sha256(print_of.encode(errors="replace")).hexdigest(),
        "severity": _SEVERITIES.get(note.kind, "minor"),
        "location": {"path": note.path, "lines": {"begin": note.line}},
    }


def _label(text: str) -> str:
    clean = " ".join(printable(text).split())
    return clean.replace("\\", "\\\\").replace('"', '\\"')
