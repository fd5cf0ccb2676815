"""Find runs in a folder, and add the ones that are new or have changed to the index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness import bundle
from harness.errors import RecordError, UsageError
from harness.history import index
from harness.history.index import History, RunEntry
from harness.history.searches import found_in
from harness.run_folder import RUN, RecordedRun, all_runs
from harness.summary import summaries


def updated(folder: Path, path: Path) -> History:
    """Return the history of the runs in ``folder``, after adding new and changed runs to the index in ``path``.

    Searches for breaking points are added too.

    Runs may be in the folder or one level deeper, as artifacts of CI jobs are. Runs that are gone stay in the history.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected the folder of recorded runs, found no such folder")
    known = index.read(path)
    stamps = {entry.run: entry.stamp for entry in known.runs}
    fresh = []
    for run in _runs(folder):
        if run.under_way:  # its scenarios are not failures yet
            continue
        name, stamp = run.folder.relative_to(folder).as_posix(), _stamp(run)
        if stamps.get(name) != stamp:
            fresh.append(_entry(run, name, stamp))
    searches = [*found_in(folder, known.searches)]
    index.add_runs(path, fresh)
    index.add_searches(path, searches)
    return index.read(path) if fresh or searches else known


def require_run(history: History, name: str) -> str:
    """Return the run that ``name`` means: its folder in the history, or the last part of it. Raises UsageError."""
    wanted = name.rstrip("/")
    known = [entry.run for entry in history.runs]
    found = [run for run in known if wanted in {run, run.rpartition("/")[2]}]
    found = found or [entry.run for entry in history.runs if wanted.endswith("/" + entry.run)]
    if len(found) != 1:
        many = f"{len(found)} runs: {', '.join(found[:5])}" if found else "none"
        raise UsageError(f"{name}: expected the name of one run of the history, found {many}")
    return found[0]


def _runs(folder: Path) -> Iterator[RecordedRun]:
    yield from all_runs(folder)
    for inner in sorted(folder.iterdir()):
        is_run = (inner / RUN).is_file() or next(inner.glob(f"*/{bundle.MANIFEST}"), None) is not None
        if inner.is_dir() and not inner.is_symlink() and not is_run:
            yield from all_runs(inner)


def _entry(run: RecordedRun, name: str, stamp: str) -> RunEntry:
    return RunEntry(
        run=name,
        stamp=stamp,
        started_s=run.started_s,
        finished_s=run.finished_s,
        exit_code=run.exit_code,
        trouble=run.trouble,
        scenarios=summaries(run),
    )


def _stamp(run: RecordedRun) -> str:
    """Return a text that changes when the run ends, gets scenarios, or is judged again; copies keep it."""
    digest = hashlib.sha256(_content(run.folder / RUN))
    for folder in (*run.bundles, *run.unrecorded):
        digest.update(folder.name.encode(errors="surrogateescape"))
        digest.update(_content(folder / bundle.HASHES))
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""  # reading a pipe or a device would not end
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from error
