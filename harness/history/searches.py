"""Searches for breaking points, as ``harness explore`` records them: one file each, read for the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import RecordError
from harness.model.breaking_point import TIME, BreakingPoint
from harness.model.json import parse_json
from harness.model.units import format_duration, format_percent
from harness.printable import shown

FOLDER, FILE, PAGE = "explorations", "explore.json", "explore.html"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search.

    folder: relative to the folder of runs. searched: TIME or SHARE. arms: by name. unproven: why it proves nothing, or
    empty. ended: why it ended early, or empty.
    """

    started: str
    service: str
    fault: str
    target: str
    searched: str
    objectives: tuple[str, ...]
    arms: Mapping[str, BreakingPoint]
    unproven: str = ""
    ended: str = ""
    folder: str = ""

    @property
    def about(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What is the same in searches that can be compared."""
        return self.service, self.fault, self.target, self.objectives

    def point(self, arm: str) -> BreakingPoint:
        """Return what is known of an arm: nothing if the search proves nothing."""
        known = None if self.unproven else self.arms.get(arm)
        return known or BreakingPoint(withstood=None, broke=None)

    def show(self, amount: float) -> str:
        """Return an amount as people write it."""
        return format_duration(amount) if self.searched == TIME else format_percent(amount)

    def said(self, arm: str) -> str:
        """Return what is known of an arm in words."""
        return "nothing is proven" if self.unproven else self.point(arm).said(self.show)


def found_in(folder: Path, known: Sequence[Search] = ()) -> Iterator[Search]:
    """Yield the searches in a folder of runs, or one level deeper, that are not known yet."""
    seen = {one.folder for one in known}
    for pattern in (FOLDER, f"*/{FOLDER}"):
        for file in sorted(folder.glob(f"{pattern}/*/*/{FILE}")):
            name = file.parent.relative_to(folder).as_posix()
            if name not in seen:
                yield read(file, name)


def read(file: Path, folder: str) -> Search:
    """Return the search that a file records. Raises RecordError for any other content or format version."""
    try:
        document = parse_json(file.read_bytes())
    except OSError as error:
        raise RecordError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise RecordError(f"{file}: expected JSON, found something else: {error}") from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if not isinstance(document, dict) or version != FORMAT_VERSION:
        raise RecordError(
            f"{file}: expected a search of format version {FORMAT_VERSION}, found {shown(version)}; use the version of "
            "the harness that wrote it, or remove the file"
        )
    try:
        return TypeAdapter(Search).validate_python({**document, "folder": folder})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RecordError(f"{file}: {place}: {first['msg']}, found {shown(first['input'])}") from error


def by_subject(searches: Sequence[Search]) -> list[list[Search]]:
    """Return the searches that can be compared together, each list from the oldest to the newest."""
    found: dict[tuple[str, str, str, tuple[str, ...]], list[Search]] = {}
    for one in sorted(searches, key=lambda one: (one.started, one.folder)):
        found.setdefault(one.about, []).append(one)
    return [found[about] for about in sorted(found)]
