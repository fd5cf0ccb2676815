"""The folder of a run: a bundle for each scenario, and ``run.json``, which tells whether the run has ended.

    run.json           started, and once the run has ended: finished, exit_code and what left no verdict
    index.html         the page of the run, made from the files above and below
    <scenario>/        a bundle, or what is left of a scenario that has no verdict

``run.json`` is written before anything else, so that a killed run is found as the newest one. It would otherwise be
invisible, and the verdict of an older run would be taken for its verdict.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle
from harness.errors import RecordError
from harness.model.json import JsonObject, JsonValue
from harness.model.names import RUN_ID
from harness.model.verdict import Verdict
from harness.printable import shown

RUN, INDEX = "run.json", "index.html"
_FORMAT_VERSION = 1
_TROUBLE = 12
_LONGEST = 20_000
"""Characters of a message that ``run.json`` keeps."""
_DECIDED = tuple(verdict.exit_code for verdict in Verdict)
_WORST_FIRST = (1, _TROUBLE, 11, 10, 0)
"""Exit codes in the order in which they decide about several scenarios, as in a pytest run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A failure that left no verdict: the test or file, its kind, its message, and the folder of the test."""

    place: str
    kind: str
    message: str
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run as its folder shows it, or one bundle that was asked for.

    started_s: epoch seconds. bundles: folders of the scenarios with a record, oldest first. trouble: why the run has no
    verdict of all its scenarios, or an empty text. exit_code: that of the session which made it; None for a bundle, for
    an unfinished run and for a run of a version that did not record it. finished_s: epoch seconds. under_way: whether a
    process on this machine works on it now, so that it is unfinished without any trouble. unrecorded: folders
    of scenarios without a record. troubles: what left no verdict, as the session told it.
    """

    folder: Path
    started_s: float
    bundles: tuple[Path, ...]
    trouble: str = ""
    exit_code: int | None = None
    finished: bool = True
    finished_s: float | None = None
    under_way: bool = False
    unrecorded: tuple[Path, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def begin_run(folder: Path) -> None:
    """Create the folder of a run, for this user only, with the mark of a run that has not ended."""
    with bundle.recording(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not (folder / RUN).exists():
            _write(folder, {"format_version": _FORMAT_VERSION, "started": _now()})


@contextmanager
def working_on(folder: Path) -> Iterator[None]:
    """Begin a run, and let readers see that it is under way until the block or this process ends.

    The sign is a shared lock of the folder, because the system takes it back from a process that is killed.
    """
    begin_run(folder)
    with bundle.recording(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks: only the live page shows then that the run goes on
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def finish_run(folder: Path, exit_code: int, troubles: Sequence[Trouble] = ()) -> None:
    """Note that the run has ended, with which exit code, and what left no verdict."""
    told: list[JsonValue] = [
        {"place": one.place, "kind": one.kind, "message": one.message[:_LONGEST], "folder": one.folder}
        for one in troubles
    ]
    with bundle.recording(folder):
        mark = {**_mark(folder), "finished": _now(), "exit_code": exit_code}
        _write(folder, {**mark, "troubles": told} if told else mark)


def find_run(text: str, out: Path) -> RecordedRun:
    """Return what ``text`` names: a run, a bundle, or ``latest`` for the newest run in ``out``, finished or not.

    Raises RecordError if there is none.
    """
    if text == "latest":
        runs = all_runs(out)
        if not runs:
            raise RecordError(f"{out}: expected recorded runs, found none; run a scenario first")
        return runs[-1]
    folder = Path(text)
    folder = folder.parent if folder.is_file() else folder
    if _is_run(folder) and not (folder / bundle.MANIFEST).is_file():
        return read_run(folder)
    return RecordedRun(folder=folder, started_s=0.0, bundles=(folder,))


def all_runs(out: Path) -> tuple[RecordedRun, ...]:
    """Return every run in ``out``, oldest first, unfinished ones included."""
    found = map(read_run, run_folders(out))
    return tuple(sorted(found, key=lambda run: (run.started_s, run.folder.name)))


def run_folders(out: Path) -> tuple[Path, ...]:
    """Return the folders of the runs in ``out``, in no particular order, without reading them."""
    return tuple(folder for folder in (out.iterdir() if out.is_dir() else ()) if _is_run(folder))


def others_at_work(folder: Path) -> tuple[str, ...]:
    """Return the names of the runs next to ``folder`` on which processes of this machine work now."""
    others = [one for one in folder.parent.iterdir() if one.name != folder.name] if folder.parent.is_dir() else []
    locked = filter(_locked, others)  # first: only these are certain to stay while they are read
    return tuple(sorted(one.name for one in locked if _is_run(one) and read_run(one).under_way))


def worst_code(codes: Sequence[int]) -> int:
    """Return the exit code that decides. A code that is no verdict counts as trouble, and no code at all as well."""
    known = {code if code in _DECIDED else _TROUBLE for code in codes} or {_TROUBLE}
    return next(code for code in _WORST_FIRST if code in known)


def _is_run(folder: Path) -> bool:
    if not folder.is_dir() or folder.is_symlink():
        return False
    named = (folder / RUN).is_file() or RUN_ID.fullmatch(folder.name) is not None
    return named or next(folder.glob(f"*/{bundle.MANIFEST}"), None) is not None


def read_run(folder: Path) -> RecordedRun:
    """Return the run in a folder, finished or not."""
    scenarios = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    recorded = [path for path in scenarios if (path / bundle.MANIFEST).is_file()]
    recorded.sort(key=lambda path: (path / bundle.MANIFEST).stat().st_mtime)
    unrecorded = [path.name for path in scenarios if path not in recorded]
    try:
        mark, trouble = _mark(folder), ""
    except RecordError as error:
        mark, trouble = {}, str(error)
    code = mark.get("exit_code")
    finished = not trouble and (not mark or code is not None)
    under_way = not finished and _locked(folder)
    return RecordedRun(
        folder=folder,
        started_s=_started_s(folder, mark, recorded),
        bundles=tuple(recorded),
        trouble=trouble or ("" if under_way else _trouble(folder, mark, recorded, unrecorded)),
        exit_code=code if type(code) is int else None,
        finished=finished,
        under_way=under_way,
        finished_s=_moment_s(mark.get("finished")),
        unrecorded=tuple(path for path in scenarios if path not in recorded),
        troubles=_troubles(mark),
    )


def _locked(folder: Path) -> bool:
    """Return whether a process works on the run in a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def _troubles(mark: JsonObject) -> tuple[Trouble, ...]:
    told = mark.get("troubles")
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    names = ("place", "kind", "message", "folder")
    return tuple(Trouble(**{name: str(row.get(name) or "") for name in names}) for row in rows)


def _moment_s(text: JsonValue) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _trouble(folder: Path, mark: JsonObject, recorded: Sequence[Path], unrecorded: Sequence[str]) -> str:
    code = mark.get("exit_code")
    without = f"without a verdict: {', '.join(unrecorded)}" if unrecorded else ""
    if mark and code is None:
        left = f" ({without})" if without else ""
        return f"{folder}: an unfinished run: it was interrupted or killed, or it runs on another machine{left}"
    if mark and (type(code) is not int or code not in _DECIDED):
        left = f" ({without})" if without else ""
        return f"{folder}: the run ended with exit code {code}, so not every scenario has a verdict{left}"
    if not recorded:
        return f"{folder}: expected recorded scenarios, found none"
    if not mark and unrecorded:
        return f"{folder}: scenarios {without}; they were interrupted or killed, or are still running"
    return ""


def _started_s(folder: Path, mark: JsonObject, recorded: Sequence[Path]) -> float:
    """Return when the run started; for a run of an older version, when its first scenario was recorded."""
    started = _moment_s(mark.get("started"))
    if started is not None:
        return started
    first = recorded[0] / bundle.MANIFEST if recorded else folder
    return first.stat().st_mtime


def _mark(folder: Path) -> JsonObject:
    """Return the content of ``run.json``; an empty mapping for a run of a version that wrote none."""
    path = folder / RUN
    if not path.is_file():
        return {}
    try:
        mark = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: expected JSON, found something else: {error}") from error
    if not isinstance(mark, dict) or not mark:
        raise RecordError(f"{path}: expected a mapping that tells when the run started, found {mark!r:.100}")
    version = mark.get("format_version", _FORMAT_VERSION)
    if type(version) is not int or version != _FORMAT_VERSION:
        raise RecordError(
            f"{path}: expected format version {_FORMAT_VERSION}, found {shown(version)}; "
            "use the version of the harness that wrote it"
        )
    return mark


def _write(folder: Path, mark: JsonObject) -> None:
    bundle.write_atomically(folder / RUN, json.dumps(mark, indent=1).encode() + b"\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
