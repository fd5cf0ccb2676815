"""The folder of a release: written atomically, read by its format version, locked by the process that works on it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from harness.bundle import recording, write_atomically
from harness.errors import RecordError, UsageError
from harness.model.json import JsonValue, parse_json
from harness.model.names import RUN_ID, did_you_mean, new_run_id
from harness.model.release import FORMAT_VERSION, Decision, ReleasePlan, ReleaseRecord, ReleaseState

RELEASES, RECORD, JOURNAL, PAGE, END = "releases", "release.json", "journal.jsonl", "page.html", "end.json"

_Value = TypeVar("_Value")


@cache
def _adapters() -> tuple[TypeAdapter[Decision], TypeAdapter[ReleaseRecord]]:
    """Return what checks the two kinds of files; made when the first one is read."""
    return TypeAdapter(Decision), TypeAdapter(ReleaseRecord)


def new_release_id() -> str:
    """Return a unique id; it is valid as part of a Kubernetes name."""
    return new_run_id()


class Store:
    """The folder of one release."""

    def __init__(self, folder: Path) -> None:
        """folder: of the release."""
        self.folder = folder

    def save(self, record: ReleaseRecord) -> None:
        """Replace the record; it is on disk when this returns."""
        with recording(self.folder):
            write_atomically(self.folder / RECORD, to_json(record, indent=1) + b"\n")

    def load(self) -> ReleaseRecord:
        """Return the record. Raises RecordError if it cannot be read."""
        return read_release(self.folder)

    def journal(self, operation: str, state: ReleaseState, *, done: bool, text: str = "") -> None:
        """Append a line about an operation; it is on disk when this returns."""
        line = {
            "at_s": round(time.time(), 3),
            "operation": operation,
            "phase": state.phase.value,
            "step": state.step,
            "done": done,
            "text": text,
        }
        with recording(self.folder), (self.folder / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def decision(self, hold: int) -> Decision | None:
        """Return what a person decided about a hold, if anybody did."""
        return self._decided(f"decision-{hold}.json")

    def decide(self, hold: int, decision: Decision) -> None:
        """Record a decision about a hold. Raises UsageError if there is one already."""
        self._decide(f"decision-{hold}.json", decision)

    def asked_to_end(self) -> Decision | None:
        """Return who asked for the end of the release, if anybody did."""
        return self._decided(END)

    def ask_to_end(self, decision: Decision) -> None:
        """Record that somebody asked for the end of the release; the first one counts."""
        if self.asked_to_end() is None:
            self._decide(END, decision)

    def _decided(self, name: str) -> Decision | None:
        file = self.folder / name
        if not file.is_file():
            return None
        return _valid(_adapters()[0], _read(file), file)

    def _decide(self, name: str, decision: Decision) -> None:
        """Create the file; of two processes that do so at once, one finds that it is there."""
        written = self.folder / f".{name}.{secrets.token_hex(4)}"
        with recording(self.folder):
            write_atomically(written, to_json(decision, indent=1) + b"\n")
            try:
                os.link(written, self.folder / name)
            except FileExistsError as error:
                there = self._decided(name)
                by = "somebody" if there is None else there.by
                raise UsageError(f"{self.folder.name}: {by} has decided about this hold already") from error
            finally:
                written.unlink()


def read_release(folder: Path) -> ReleaseRecord:
    """Return the record of a release. Raises RecordError if it cannot be read."""
    file = folder / RECORD
    document = _read(file)
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise RecordError(f"{file}: expected a release of format {FORMAT_VERSION}, found {version!r:.40}")
    return _valid(_adapters()[1], document, file)


def all_releases(out: Path) -> tuple[tuple[Path, ReleaseRecord], ...]:
    """Return the releases that are recorded in ``out`` with their folders, oldest first.

    Raises RecordError for one that cannot be read: it may be a release that is not over.
    """
    folder = out / RELEASES
    found = sorted(path for path in (folder.iterdir() if folder.is_dir() else ()) if RUN_ID.fullmatch(path.name))
    return tuple((path, read_release(path)) for path in found if (path / RECORD).is_file())


def create(out: Path, plan: ReleasePlan, *, by: str) -> Store:
    """Create the folder of a new release. Raises UsageError while another release of one of its services goes on."""
    for folder, other in all_releases(out):
        shared = sorted(set(other.plan.services) & set(plan.services))
        if shared and not other.state.over:
            raise UsageError(
                f"{shared[0]}: expected no other release, found {folder.name} in the phase {other.state.phase.value}; "
                "finish it with harness release resume, or take it back with harness release abort"
            )
    folder = out / RELEASES / new_release_id()
    with recording(folder):
        folder.mkdir(parents=True, mode=0o700)
    now = time.time()
    store = Store(folder)
    store.save(ReleaseRecord(id=folder.name, plan=plan, state=ReleaseState(), started_s=now, seen_s=now, started_by=by))
    return store


def find(out: Path, name: str | None, service: str) -> Store:
    """Return the named release or, without a name, the newest one of a service. Raises UsageError if there is none."""
    known = {folder.name: (folder, record) for folder, record in all_releases(out)}
    if name is not None:
        if name not in known:
            near = did_you_mean(name, known)
            raise UsageError(f"expected a release in {out / RELEASES}, found none called {name!r}{near}")
        return Store(known[name][0])
    ours = [folder for folder, record in known.values() if service in record.plan.services]
    if not ours:
        raise UsageError(
            f"{service}: expected a release in {out / RELEASES}, found none; start one with: harness release"
        )
    return Store(ours[-1])


@contextmanager
def locked(out: Path, services: Sequence[str], *, wait_s: float = 0.0) -> Iterator[None]:
    """Let only this process work on releases of the services. The lock ends with the process, however that ends.

    wait_s: how long to wait for another process. Raises UsageError that names it.
    """
    with ExitStack() as held:
        for service in sorted(services):
            held.enter_context(_locked(out / RELEASES / f".{service}.lock", service, wait_s))
        yield


@contextmanager
def _locked(file: Path, service: str, wait_s: float) -> Iterator[None]:
    with recording(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.open("a+", encoding="utf-8")
    with handle:
        give_up = time.monotonic() + wait_s
        while not _take(handle.fileno()):
            if time.monotonic() >= give_up:
                handle.seek(0)
                raise UsageError(
                    f"{service}: a release is already running ({handle.read().strip() or 'in another process'}); "
                    "wait for it, or end it with harness release abort"
                )
            time.sleep(0.1)
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: Path) -> JsonValue:
    try:
        return parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{file}: expected the record of a release, found something else: {error}") from error


def _valid(adapter: TypeAdapter[_Value], value: JsonValue, file: Path) -> _Value:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise RecordError(f"{file}: expected the record of a release, found something else: {error}") from error
