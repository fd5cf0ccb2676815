"""Run the jobs one after the other, each as a harness command in a process of its own.

A command ends with the server, even if the server is killed: it gets a signal and reverts its changes. The next server
starts no command until that one has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from harness.bundle import read_analysis
from harness.clients.processes.parent import given_to_child
from harness.errors import HarnessError, RecordError
from harness.run_folder import all_runs
from harness.server.jobs import Job, Jobs
from harness.server.releases import left_holds, unfinished

_CLEAN_UP_S = 120.0
"""How long a command may take to revert its changes after it was told to stop."""
_LOOK_EVERY_S, _POLL_S = 5.0, 0.5
_REASONS = {
    0: "passed",
    1: "failed",
    2: "wrong usage or configuration",
    10: "marginal: a person decides",
    11: "inconclusive: a person decides",
    12: "no verdict: the harness or its environment is in trouble",
    130: "interrupted",
}


class Worker:
    """Runs the jobs on a thread. As a context manager it stops on exit and puts the running job back into the queue."""

    def __init__(self, jobs: Jobs, *, root: Path, out: Path, tell: Callable[[Job], None]) -> None:
        """root: the folder in which commands run. out: of recorded runs. tell: called when a job begins and ends."""
        self._jobs, self._root, self._out, self._tell = jobs, root, out, tell
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="harness-jobs", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(_CLEAN_UP_S + 10)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._resume_left_holds()
            with self._jobs.alone() as lock:
                if lock is None:
                    self._stopping.wait(_POLL_S)
                else:
                    self._work_once(lock)

    def _work_once(self, lock: int) -> None:
        job = self._jobs.take(self._stopping.is_set, within_s=_LOOK_EVERY_S)
        if job is not None:
            self._tell(job)
            self._tell(self._run(job, lock))

    def _resume_left_holds(self) -> None:
        """Queue the releases that a person decided about, or whose hold is over; each hold once."""
        for name, hold in left_holds(self._out, now_s=time.time()):
            words = ("release", "resume", "--no-wait", "--release", name)
            event = f"hold {hold} of {name}"
            self._jobs.add(kind="resume", subject=name, words=words, same=event, event=event)

    def _run(self, job: Job, lock: int) -> Job:
        log = self._jobs.log(job)
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "harness", *self._words(job)],
                    cwd=self._root,
                    env=given_to_child(os.environ, lock=lock),
                    pass_fds=[lock],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            return self._jobs.end(job, exit_code=HarnessError.exit_code, reason=f"the command cannot start: {error}")
        code = self._wait(process)
        if code < 0 or (self._stopping.is_set() and code not in _REASONS.keys() - {130}):
            return self._jobs.put_back(job, "the server was stopped while it ran" if code >= 0 else "it was killed")
        reason, score = _found(self._jobs.runs(job), code)
        return self._jobs.end(job, exit_code=code, reason=reason, score=score)

    def _words(self, job: Job) -> tuple[str, ...]:
        """Return the command of a job. A release that was interrupted is resumed, not begun again."""
        if job.kind == "gate":
            return (*job.words, "--", f"--harness-out={self._jobs.runs(job)}")
        begun = unfinished(self._out, job.subject, since_s=job.received_s) if job.attempts > 1 else None
        return job.words if begun is None else ("release", "resume", "--no-wait", "--release", begun)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if self._stopping.is_set():
                    return _stopped(process)


def _stopped(process: subprocess.Popen[bytes]) -> int:
    """Ask a command to revert its changes and end; kill it if it does not. A killed run is undone by its watchdog."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(_CLEAN_UP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _found(runs: Path, code: int) -> tuple[str, float | None]:
    """Return the reason and the lowest score of the scenarios that a command judged."""
    analyses = []
    for run in all_runs(runs):
        for folder in run.bundles:
            with suppress(RecordError):  # an unreadable bundle has no score, and the exit code decides anyway
                analyses.append(read_analysis(folder))
    known = _REASONS.get(code, f"ended with exit code {code}")
    worst = next((one for one in analyses if one.verdict.exit_code == code), None)
    reason = f"{known}: {worst.reason}" if worst is not None else known
    return reason, min((one.score for one in analyses), default=None)
