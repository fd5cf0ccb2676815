"""Start child processes that end with this process, together with all their descendants, however this process ends.

Each command runs under a supervisor (see ``supervisor.py``) in its own session, so Ctrl-C in the terminal reaches
only the harness, which first reverts its changes and then stops the processes. The supervisor ends the whole process
tree of the command when it is told to, or when the socket to this process closes: on a normal exit, an exception,
SIGTERM and SIGKILL. A supervisor costs about 20 ms of CPU to start, none while it waits, and about 6 MB of memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clients.processes import supervisor
from harness.errors import ServiceError
from harness.printable import printable

ORPHAN_GRACE_S = 2.0
"""Time between SIGTERM and SIGKILL for the command after this process has died."""


def start(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a command that ends with this process. Returns once the command has been executed.

    name: used in messages. log: file for standard output and standard error; it is emptied first. env: the complete
    environment; None inherits ours. Raises ServiceError when the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    with theirs, log.open("wb") as output:
        words = [sys.executable, "-I", "-S", supervisor.__file__, str(theirs.fileno()), str(ORPHAN_GRACE_S), *command]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        except OSError as error:
            ours.close()
            raise ServiceError(f"{name}: cannot run in {cwd or Path.cwd()}: {error.strerror}") from error
    with ours.makefile("r") as answers:
        word, _, number = answers.readline().strip().partition(" ")
    if word == "started":
        return Process(name=name, pid=int(number), log=log, supervisor_process=process, connection=ours)
    ours.close()
    process.wait()
    reason = os.strerror(int(number)) if word == "failed" else _tail(log, 20) or "no answer from its supervisor"
    raise ServiceError(f"{name}: expected a program that can be executed, found {command[0]!r}: {reason}")


class Process:
    """A running command. Used as a context manager, it is stopped on exit."""

    def __init__(
        self,
        *,
        name: str,
        pid: int,
        log: Path,
        supervisor_process: subprocess.Popen[bytes],
        connection: socket.socket,
    ) -> None:
        """Call ``start`` instead. pid: process id of the command, not of its supervisor."""
        self.name, self.pid, self.log = name, pid, log
        self._supervisor, self._connection = supervisor_process, connection

    def running(self) -> bool:
        """Return whether the command is still running."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """The exit code: None while the command runs, -N if signal N ended it."""
        return self._supervisor.poll()

    @property
    def ended_how(self) -> str:
        """How the command ended, such as ``it ended with exit code 3``; an empty string while it runs."""
        code = self.exit_code
        if code is None:
            return ""
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"

    def check(self) -> None:
        """Raise ServiceError with the last lines of the log if the command has ended."""
        if how := self.ended_how:
            raise ServiceError(f"{self.name}: expected a process that keeps running; {how}\n{self.last_lines()}")

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        return _tail(self.log, lines)

    def last_lines(self, lines: int = 20) -> str:
        """Return the last lines of the log under a heading that names the log file, for error messages."""
        tail = self.tail(lines)
        return f"last lines of {self.log}:\n{tail}" if tail else f"it wrote nothing to {self.log}"

    def stop(self, grace_s: float = 5.0) -> None:
        """Send SIGTERM to the process tree, and SIGKILL after ``grace_s`` seconds. Returns when all have ended."""
        with contextlib.suppress(OSError):
            self._connection.sendall(f"{grace_s}\n".encode())
        self._connection.close()
        try:
            self._supervisor.wait(grace_s + supervisor.UNKILLABLE_S + 5)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        if self._supervisor.returncode == -signal.SIGKILL:
            # The supervisor itself may have been killed. Then nothing else ends the command's process group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, interval_s: float = 0.02) -> bool:
    """Check ``condition`` every ``interval_s`` seconds. Returns whether it became true within ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
    return True


def _tail(log: Path, lines: int) -> str:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as text:
        size = text.seek(0, os.SEEK_END)
        text.seek(max(0, size - 400 * lines))
        return "\n".join(printable(text.read().decode(errors="replace")).splitlines()[-lines:])
    return ""
