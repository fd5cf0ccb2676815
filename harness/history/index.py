"""The index of a history: an append-only file with one JSON object on each line.

    {"kind": "history", "format_version": 1}                          the first line
    {"kind": "run", "run": ..., "stamp": ..., "scenarios": [...]}      a later line about the same run replaces it
    {"kind": "search", "folder": ..., "fault": ..., "arms": {...}}     a search for breaking points
    {"kind": "ignore", "run": ..., "reason": ..., "at": ...}           an empty reason: the run counts again
    {"kind": "told", "channel": ..., "keys": [...], "at": ...}         changes that owners have been told of

Opening it needs no bundle: runs stay in the history after their folders are gone. A last line without an end was cut
off by a crash; it is removed before the next line is written.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from harness import bundle
from harness.errors import RecordError
from harness.history.searches import Search
from harness.model.json import JsonObject, JsonValue, parse_json
from harness.printable import shown
from harness.summary import Summary

T = TypeVar("T")
NAME = "history.ndjson"
FORMAT_VERSION = 1
_RUN, _SEARCH = b'{"kind":"run",', b'{"kind":"search",'
"""How lines of runs and of searches begin: they are many, so they are read without checking their kind first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """A run as the index keeps it. run: its folder, relative to the folder of runs. stamp: changes with its files."""

    run: str
    stamp: str
    started_s: float
    finished_s: float | None
    exit_code: int | None
    trouble: str
    scenarios: tuple[Summary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Why a run does not count, and since when."""

    reason: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All runs, oldest first. searches: for breaking points. ignored: by run. told: keys of changes by channel."""

    runs: tuple[RunEntry, ...] = ()
    searches: tuple[Search, ...] = ()
    ignored: Mapping[str, Ignored] = field(default_factory=dict)
    told: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read(path: Path) -> History:
    """Return the history in ``path``; an empty one if there is no file.

    Raises RecordError for a file that is not a history, is damaged or has an unknown format version.
    """
    if not path.is_file():
        return History()
    runs: dict[str, RunEntry] = {}
    ignored: dict[str, Ignored] = {}
    told: dict[str, set[str]] = {}
    searches: list[Search] = []
    for number, line in _lines(path):
        if number > 1 and line.startswith(_RUN):
            entry = _entry(_runs(), line, path, number)
            runs[entry.run] = entry
            continue
        if number > 1 and line.startswith(_SEARCH):
            searches.append(_entry(_searches(), line, path, number))
            continue
        document = _parsed(line, path, number)
        match document.get("kind"):
            case "history":
                _check_version(document, path)
            case "ignore":
                ignored.pop(str(document.get("run")), None)
                if document.get("reason"):
                    reason = Ignored(reason=str(document["reason"]), at=str(document.get("at") or ""))
                    ignored[str(document.get("run"))] = reason
            case "told":
                told.setdefault(str(document.get("channel")), set()).update(_texts(document.get("keys")))
            case kind:
                raise RecordError(f"{path}, line {number}: expected a line of a history, found the kind {shown(kind)}")
    ordered = sorted(runs.values(), key=lambda entry: (entry.started_s, entry.run))
    return History(
        runs=tuple(ordered), searches=tuple(searches), ignored=ignored,
        told={name: frozenset(keys) for name, keys in told.items()},
    )  # fmt: skip


def add_runs(path: Path, entries: Sequence[RunEntry]) -> None:
    """Add entries of runs. Raises RecordError if the file cannot be written."""
    _append(path, [_RUN + to_json(entry, inf_nan_mode="strings")[1:] for entry in entries])


def add_searches(path: Path, found: Sequence[Search]) -> None:
    """Add searches for breaking points. Raises RecordError if the file cannot be written."""
    _append(path, [_SEARCH + to_json(one)[1:] for one in found])


def ignore(path: Path, run: str, reason: str) -> None:
    """Note that a run does not count, with the reason; an empty reason lets it count again."""
    _append(path, [_line({"kind": "ignore", "run": run, "reason": reason, "at": _now()})])


def note_told(path: Path, channel: str, keys: Sequence[str]) -> None:
    """Note that owners have been told of these changes through a channel."""
    _append(path, [_line({"kind": "told", "channel": channel, "keys": [*keys], "at": _now()})])


def _append(path: Path, lines: Sequence[bytes]) -> None:
    if not lines:
        return
    with bundle.recording(path), _locked(path) as file:
        size = os.fstat(file).st_size
        content = b"".join(line + b"\n" for line in lines)
        if size == 0:
            content = _line({"kind": "history", "format_version": FORMAT_VERSION}) + b"\n" + content
        else:
            _check_first(path)
            _cut_torn_line(file, size)
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _cut_torn_line(file: int, size: int) -> None:
    """Remove what follows the last end of a line."""
    at = size
    while at > 0:
        start = max(at - 65536, 0)
        block = os.pread(file, at - start, start)
        end = block.rfind(b"\n")
        if end >= 0:
            if start + end + 1 < size:
                os.ftruncate(file, start + end + 1)
            return
        at = start
    os.ftruncate(file, 0)


def _check_first(path: Path) -> None:
    for number, line in _lines(path):
        _check_version(_parsed(line, path, number), path)
        return


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the complete lines with their numbers, the first one checked for the format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: expected a history, found: {error.strerror or error}") from error
    complete = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(complete.splitlines(), start=1):
        if number == 1 and not line.startswith(b'{"kind":'):
            raise RecordError(f"{path}: expected a history, whose first line names its format, found {shown(line)}")
        yield number, line


def _check_version(document: JsonObject, path: Path) -> None:
    version = document.get("format_version")
    if document.get("kind") != "history" or type(version) is not int or version != FORMAT_VERSION:
        raise RecordError(
            f"{path}: expected a history of format version {FORMAT_VERSION}, found {shown(version)}; "
            "use the version of the harness that wrote it"
        )


def _parsed(line: bytes, path: Path, number: int) -> JsonObject:
    try:
        document = parse_json(line)
    except ValueError as error:
        raise RecordError(f"{path}, line {number}: expected JSON, found something else: {error}") from error
    if not isinstance(document, dict):
        raise RecordError(f"{path}, line {number}: expected a mapping, found {shown(document)}")
    if number == 1:
        _check_version(document, path)
    return document


def _entry(adapter: TypeAdapter[T], line: bytes, path: Path, number: int) -> T:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{path}, line {number}: {place}: {first['msg']}, found {shown(first['input'])}") from error


@cache
def _runs() -> TypeAdapter[RunEntry]:
    return TypeAdapter(RunEntry)


@cache
def _searches() -> TypeAdapter[Search]:
    return TypeAdapter(Search)


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _line(document: JsonObject) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
