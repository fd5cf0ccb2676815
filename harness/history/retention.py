"""Remove the samples, spans and logs of old bundles.

Plans, facts, analyses and reports stay, so the history stays whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle
from harness.errors import RecordError
from harness.history.index import RunEntry

_REMOVED = ("samples.parquet", bundle.SPANS, bundle.BODIES, bundle.DEPENDENCY_BODIES, "load", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned:
    """A bundle whose samples were removed, and how many bytes that freed."""

    folder: Path
    freed: int


def is_thinned(folder: Path) -> bool:
    """Return whether the samples of a bundle were removed to save space."""
    return (folder / bundle.THINNED).is_file()


def thin(folder: Path, runs: Sequence[RunEntry], *, before_s: float) -> tuple[Thinned, ...]:
    """Remove samples, spans and logs from the bundles in ``folder`` of finished runs that started before a time.

    Only complete bundles that the history knows are touched: their analysis can be read, and no link leads out of the
    folder. Raises RecordError if something cannot be removed.
    """
    old = [entry for entry in runs if 0 < entry.started_s < before_s and entry.exit_code is not None]
    return tuple(_thinned(path) for entry in old for path in _bundles(folder, entry))


def _bundles(folder: Path, entry: RunEntry) -> Iterator[Path]:
    root = folder.resolve()
    for summary in entry.scenarios:
        path = folder / entry.run / summary.folder
        inside = summary.folder and path.is_dir() and path.resolve() == root / entry.run / summary.folder
        if not inside or is_thinned(path) or not (path / bundle.MANIFEST).is_file():
            continue
        try:
            bundle.read_outline(path)
            bundle.read_analysis(path)
        except RecordError:  # what is damaged is left as it is, for people to look at
            continue
        yield path


def _thinned(path: Path) -> Thinned:
    found = [path / name for name in _REMOVED if (path / name).exists() and not (path / name).is_symlink()]
    freed = sum(_size(one) for one in found)
    note = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "removed": [one.name for one in found]}
    with bundle.recording(path):
        bundle.write_atomically(path / bundle.THINNED, json.dumps(note, indent=1).encode() + b"\n")
        for one in found:
            if one.is_dir():
                shutil.rmtree(one)
            else:
                one.unlink()
    return Thinned(folder=path, freed=freed)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.lstat().st_size for one in files if one.is_file() and not one.is_symlink())
