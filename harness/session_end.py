"""The note of a session's end: how ``harness run`` learns from pytest's process what the session's account says.

A scenario can end the process at once (``os._exit(0)``, a crash in a library), and then exit code 0 says nothing. The
plugin writes the note when the session starts and again when it has ended, so the process that started it can tell.
"""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "HARNESS_SESSION_END"
"""Names the file of the note; only pytest's own process sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """code: the exit code of the session; None if it began and did not end. verdicts: how many were given."""

    code: int | None
    verdicts: int


def claim(environ: MutableMapping[str, str]) -> Path | None:
    """Return the file that this process should write, and hide it from the processes that it starts."""
    name = environ.pop(VARIABLE, "")
    return Path(name) if name else None


def write_session_end(path: Path, end: SessionEnd) -> None:
    """Write the note, completely or not at all. Raises OSError."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"code": end.code, "verdicts": end.verdicts}))
    part.replace(path)


def read_session_end(path: Path) -> SessionEnd | None:
    """Return what the note says, or None if no session of the plugin began."""
    try:
        found = json.loads(path.read_text())
        code, verdicts = found["code"], found["verdicts"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    known = isinstance(verdicts, int) and (code is None or isinstance(code, int))
    return SessionEnd(code=code, verdicts=verdicts) if known else None


def child_environment(path: Path) -> dict[str, str]:
    """Return the environment of the pytest process that writes the note to ``path``."""
    return {**os.environ, VARIABLE: str(path)}
