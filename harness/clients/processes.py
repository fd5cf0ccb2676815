"""Child processes that end with this process, with all their descendants, however it ends.

Each command runs under a supervisor (see ``harness.clients.supervisor``) in its own session, so Ctrl-C
in the terminal reaches only the harness, which undoes things first and stops processes last. The
supervisor ends the command's whole tree when it is told to, or when the socket to this process
closes: normal exit, exception, SIGTERM and SIGKILL alike. A supervisor costs about 20 ms of CPU at
the start, none while it waits, and some 6 MB.
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

from harness.clients import supervisor
from harness.clients.ports import free_ports
from harness.errors import ServiceError

__all__ = ["Process", "free_ports", "start", "wait_until"]

ORPHAN_GRACE_S = 2.0
"""Seconds between SIGTERM and SIGKILL when this process is gone."""


def start(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Process:
    """Start a command that dies with this process; returns when it has been executed.

    name: for messages. log: takes standard output and error, emptied first. env: the whole
    environment; None inherits ours. Raises ServiceError when the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    with theirs, log.open("wb") as output:
        words = [sys.executable, "-I", "-S", supervisor.__file__, str(theirs.fileno()), str(ORPHAN_GRACE_S), *command]
        try:
            keeper = subprocess.Popen(
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
        return Process(name=name, pid=int(number), log=log, keeper=keeper, line=ours)
    ours.close()
    keeper.wait()
    reason = os.strerror(int(number)) if word == "failed" else _tail(log, 20) or "no answer from its supervisor"
    raise ServiceError(f"{name}: expected a program that can be executed, found {command[0]!r}: {reason}")


class Process:
    """A running command. As a context manager it is stopped on leaving."""

    def __init__(self, *, name: str, pid: int, log: Path, keeper: subprocess.Popen[bytes], line: socket.socket) -> None:
        """Use ``start``. pid: of the command itself, not of its supervisor."""
        self.name, self.pid, self.log = name, pid, log
        self._keeper, self._line = keeper, line

    def running(self) -> bool:
        """Whether the command is still there."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -N when signal N ended it."""
        return self._keeper.poll()

    def check(self) -> None:
        """Raise ServiceError with the last lines of the log when the command has ended."""
        if self.exit_code is not None:
            how = f"by signal {-self.exit_code}" if self.exit_code < 0 else f"with exit code {self.exit_code}"
            raise ServiceError(
                f"{self.name}: expected a process that keeps running, it ended {how}\n{self.last_lines()}"
            )

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log."""
        return _tail(self.log, lines)

    def last_lines(self, lines: int = 20) -> str:
        """The tail with a heading that says where the whole log is, for error messages."""
        tail = self.tail(lines)
        return f"last lines of {self.log}:\n{tail}" if tail else f"it wrote nothing to {self.log}"

    def stop(self, grace_s: float = 5.0) -> None:
        """SIGTERM to the whole tree, SIGKILL after ``grace_s`` seconds; returns when all of it has ended."""
        with contextlib.suppress(OSError):
            self._line.sendall(f"{grace_s}\n".encode())
        self._line.close()
        try:
            self._keeper.wait(grace_s + supervisor.UNKILLABLE_S + 5)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode == -signal.SIGKILL:
            # Perhaps it was the supervisor that was killed: what remains of the command's group has no keeper.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def wait_until(condition: Callable[[], bool], *, timeout_s: float, interval_s: float = 0.02) -> bool:
    """Whether ``condition`` became true within ``timeout_s`` seconds, asked every ``interval_s`` seconds."""
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
        return "\n".join(text.read().decode(errors="replace").splitlines()[-lines:])
    return ""
