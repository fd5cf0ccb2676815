"""Find the files that a pattern matches without walking through a whole disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import translate
from functools import cache
from pathlib import Path

MOST_ENTRIES = 20_000
"""Files and folders that one pattern may look at."""
_WILDCARD = re.compile(r"[*?\[]")


class TooManyEntries(Exception):  # noqa: N818 - says what there is
    """A pattern has more files and folders to look at than ``MOST_ENTRIES``."""


class _Budget:
    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooManyEntries


def matching(pattern: Path, *, most: int = MOST_ENTRIES) -> tuple[Path, ...]:
    """Return what an absolute pattern with ``*``, ``?``, ``[]`` and ``**`` (folders at any depth) matches, in order.

    Raises TooManyEntries beyond ``most`` files and folders, and OSError or ValueError for a path that is none.
    """
    found = _matching(Path(pattern.anchor), pattern.parts[1:], _Budget(most))
    return tuple(sorted(dict.fromkeys(found)))


def _matching(folder: Path, parts: tuple[str, ...], budget: _Budget) -> Iterator[Path]:
    if not parts:
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _matching(folder, rest, budget)
        for entry in _entries(folder, budget):
            if entry.is_dir(follow_symlinks=False):
                yield from _matching(folder / entry.name, parts, budget)
    elif _WILDCARD.search(part):
        for entry in _entries(folder, budget):
            if _compiled(part).match(entry.name) and entry.name[0] != ".":
                yield from _further(folder / entry.name, rest, budget)
    else:
        budget.spend()
        yield from _further(folder / part, rest, budget)


def _further(path: Path, rest: tuple[str, ...], budget: _Budget) -> Iterator[Path]:
    if rest:
        yield from _matching(path, rest, budget) if path.is_dir() else ()
    elif path.exists():
        yield path


def _entries(folder: Path, budget: _Budget) -> list[os.DirEntry[str]]:
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                budget.spend()
                found.append(entry)
    except PermissionError:  # as the shell does: what may not be read matches nothing
        return []
    return sorted(found, key=lambda entry: entry.name)


@cache
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(translate(part))
