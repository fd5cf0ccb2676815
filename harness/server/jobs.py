"""The jobs of the server: accepted events and requests of adapters, on disk before they are acknowledged.

    <folder>/<id>/job.json    the ``Job``, replaced atomically at each change
    <folder>/<id>/log         what its command printed
    <folder>/running          the lock of the command that runs
    <folder>/seen             the hash of every event that was accepted, one a line, so that none counts twice

One job runs at a time, because a host can measure one run at a time. A job that ran when the server died waits again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness import bundle
from harness.errors import HarnessError, RecordError, UsageError
from harness.model.json import JsonObject

SCHEMA = "harness.job/1"
_JOB = "job.json"
_SEEN = "seen"
_SAME_WITHIN_S = 3600.0
"""How long another event about the same digest counts as the same push."""
_MOST_ATTEMPTS = 3
_LOOK_EVERY_S = 1.0


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person decided about a gate that neither passed nor failed."""

    approved: bool
    by: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command of ours that an event asked for.

    kind: ``release`` or ``gate``. subject: the image, or the name of the gate. same: what further events about the same
    thing have in common. events: hashes of the events that it answers. facts: where it came from, such as repository,
    sha and number. not_before_s, received_s, began_s, ended_s: epoch seconds; 0 if it did not happen yet.
    exit_code: of the command, once it is done. score: the lowest of its scenarios. approval: what a person decided
    about a gate that neither passed nor failed. notices: messages to others that could not be delivered.
    """

    id: str
    kind: str
    subject: str
    words: tuple[str, ...]
    same: str
    received_s: float
    not_before_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    state: JobState = JobState.WAITING
    attempts: int = 0
    exit_code: int | None = None
    reason: str = ""
    events: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    score: float | None = None
    approval: Approval | None = None


class Answer(StrEnum):
    """The result of an event."""

    ACCEPTED = "accepted"
    JOINED = "joined"
    SEEN = "seen before"
    FULL = "too many jobs wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The result of an event, and the job that answers it, if there is one."""

    answer: Answer
    job: Job | None = None


_ADAPTER: TypeAdapter[Job] = TypeAdapter(Job)


class Jobs:
    """The queue. Its methods may be called from any thread."""

    def __init__(self, folder: Path, *, most_waiting: int, now: Callable[[], float] = time.time) -> None:
        """Read what is on disk; hold ``locked`` while the object is used. now: returns epoch seconds.

        Raises RecordError for a folder that cannot be used.
        """
        self.folder = folder
        self._most_waiting, self._now = most_waiting, now
        self._lock = threading.Condition()
        with bundle.recording(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._jobs = {job.id: job for job in map(_read_job, sorted(folder.glob(f"*/{_JOB}")))}
            seen = folder / _SEEN
            self._seen = set(seen.read_text().split()) if seen.exists() else set()
        self._seen.update(event for job in self._jobs.values() for event in job.events)
        for job in self._jobs.values():
            if job.state is JobState.RUNNING:
                self._keep(replace(job, state=JobState.WAITING, reason="the server ended while it ran"))

    def all(self) -> tuple[Job, ...]:
        """Return every job, newest first."""
        with self._lock:
            return tuple(sorted(self._jobs.values(), key=lambda job: job.id, reverse=True))

    def find(self, kind: str, same: str) -> Job | None:
        """Return the newest job of a kind about the same thing."""
        return next((job for job in self.all() if (job.kind, job.same) == (kind, same)), None)

    def add(
        self,
        *,
        kind: str,
        subject: str,
        words: tuple[str, ...],
        same: str,
        event: str = "",
        settle_s: float = 0.0,
        facts: Mapping[str, str] | None = None,
    ) -> Added:
        """Write a job to disk before this returns. A further event about the same push joins the earlier job.

        event: the hash of the event; an empty one may come again.
        """
        with self._lock:
            if event in self._seen:
                return Added(answer=Answer.SEEN)
            earlier = self._earlier(kind, same)
            if earlier is None and self._is_full():
                return Added(answer=Answer.FULL)
            now = self._now()
            job = earlier or Job(
                id=f"{int(now * 1000):013d}-{secrets.token_hex(3)}",
                kind=kind,
                subject=subject,
                words=words,
                same=same,
                received_s=now,
                not_before_s=now + settle_s,
                facts=dict(facts or {}),
            )
            if earlier is not None and earlier.state is JobState.WAITING and _says_more(subject, earlier.subject):
                job = replace(job, subject=subject, words=words)
            job = replace(job, events=(*job.events, event)) if event else job
            self._keep(job)
            if event:
                self._note_seen(event)
            self._lock.notify_all()
            return Added(answer=Answer.JOINED if earlier else Answer.ACCEPTED, job=job)

    def _is_full(self) -> bool:
        return sum(job.state is JobState.WAITING for job in self._jobs.values()) >= self._most_waiting

    def take(self, ended: Callable[[], bool], *, within_s: float = 3600.0) -> Job | None:
        """Wait for a job that is due, mark it as running and return it; None after ``within_s``, or when ``ended``."""
        give_up = time.monotonic() + within_s
        with self._lock:
            while not ended():
                due = [job for job in self._jobs.values() if self._is_due(job)]
                if due:
                    first = min(due, key=lambda job: job.id)
                    return self._keep(
                        replace(first, state=JobState.RUNNING, began_s=self._now(), attempts=first.attempts + 1)
                    )
                left_s = give_up - time.monotonic()
                if left_s <= 0:
                    return None
                self._lock.wait(min(left_s, _LOOK_EVERY_S))
            return None

    def end(self, job: Job, *, exit_code: int, reason: str, score: float | None = None) -> Job:
        """Note how a job ended."""
        with self._lock:
            known, now = self._jobs[job.id], self._now()
            return self._keep(
                replace(known, state=JobState.DONE, ended_s=now, exit_code=exit_code, reason=reason, score=score)
            )

    def decide(self, job: Job, approval: Approval) -> Job | None:
        """Note what a person decided about a gate; None if there is nothing to decide, or it was decided before."""
        with self._lock:
            known = self._jobs[job.id]
            open_ = known.kind == "gate" and known.state is JobState.DONE and known.exit_code not in {0, 1}
            if not open_ or known.approval is not None:
                return None
            return self._keep(replace(known, approval=approval))

    def put_back(self, job: Job, reason: str) -> Job:
        """Let a job wait again, because the server stops; after several attempts it is over instead."""
        with self._lock:
            job = self._jobs[job.id]
            if job.attempts >= _MOST_ATTEMPTS:
                return self.end(job, exit_code=HarnessError.exit_code, reason=f"{reason}, {job.attempts} times")
            return self._keep(replace(job, state=JobState.WAITING, reason=reason))

    def note(self, job: Job, text: str) -> None:
        """Note that a message about a job could not be delivered."""
        with self._lock:
            job = self._jobs[job.id]
            self._keep(replace(job, notices=(*job.notices, text)))

    def log(self, job: Job) -> Path:
        """Return the file for what the command of a job prints."""
        return self.folder / job.id / "log"

    def runs(self, job: Job) -> Path:
        """Return the folder for the runs of a gate."""
        return self.folder / job.id / "runs"

    @contextmanager
    def alone(self) -> Iterator[int | None]:
        """Yield the descriptor of a lock for the command of a job, which inherits it; None while another one runs.

        The lock lasts as long as the command: one that a killed server left behind still undoes its changes.
        """
        with bundle.recording(self.folder):
            file = (self.folder / "running").open("a")
        with file:
            yield file.fileno() if _taken(file.fileno()) else None

    def _is_due(self, job: Job) -> bool:
        return job.state is JobState.WAITING and job.not_before_s <= self._now()

    def _earlier(self, kind: str, same: str) -> Job | None:
        for job in self.all():
            recent = self._now() - job.received_s < _SAME_WITHIN_S
            open_or_digest = job.state is not JobState.DONE or same.startswith("sha256:")
            if (job.kind, job.same) == (kind, same) and (job.state is JobState.WAITING or (recent and open_or_digest)):
                return job
        return None

    def _keep(self, job: Job) -> Job:
        folder = self.folder / job.id
        with bundle.recording(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            bundle.write_atomically(folder / _JOB, _ADAPTER.dump_json(job, indent=1) + b"\n")
        self._jobs[job.id] = job
        return job

    def _note_seen(self, event: str) -> None:
        with bundle.recording(self.folder), (self.folder / _SEEN).open("a") as file:
            file.write(f"{event}\n")
            file.flush()
            os.fsync(file.fileno())
        self._seen.add(event)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let only this process use a folder of jobs. Raises UsageError while another server does."""
    with bundle.recording(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / "lock").open("a")
    with file:
        if not _taken(file.fileno()):
            raise UsageError(f"{folder}: another harness serve uses this folder; end it, or serve another one")
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def as_json(job: Job) -> JsonObject:
    """Return a job as JSON, without the hashes of its events, under the name of its schema."""
    found: JsonObject = {"schema": SCHEMA, **json.loads(_ADAPTER.dump_json(job))}
    del found["events"]
    return found


def _says_more(tag: str, earlier: str) -> bool:
    """Return whether a tag of the same image names the build better: ``1.4.2`` is better than ``1`` or ``latest``."""
    return not tag.endswith(":latest") and (earlier.endswith(":latest") or len(tag) > len(earlier))


def _read_job(file: Path) -> Job:
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except ValidationError as error:
        raise RecordError(f"{file}: expected a job of this server, found something else: {error}") from error
