"""Processes that outlive this one, in a session of their own, so neither Ctrl-C nor a closed terminal reaches them.

A ``DetachedProcess`` reads lines from us and notices when we are gone, even after SIGKILL. An ``OutlivingProcess``
takes no notice of us.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DONE = "done"
_EXIT_TIMEOUT_S = 10.0


class DetachedProcess:
    """A Python script that reads our lines from its standard input.

    When its standard input ends without a line ``done``, the script knows that this process died.
    """

    def __init__(self, script: Path, *, log: Path) -> None:
        """Start the script with our environment. log: file to which its output is appended."""
        read_end, self._pipe = os.pipe()
        try:
            with log.open("a", encoding="utf-8") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(script)],
                    stdin=read_end,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        finally:
            os.close(read_end)

    def send(self, line: str) -> bool:
        """Send a line. Returns False when the process is no longer running."""
        try:
            os.write(self._pipe, f"{line}\n".encode())
        except OSError:
            return False
        return self._process.poll() is None

    def end(self) -> None:
        """Send ``done`` and wait until the process has exited."""
        self.send(DONE)
        with contextlib.suppress(OSError):
            os.close(self._pipe)
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class OutlivingProcess:
    """A command that goes on when this process ends. pid: its process id."""

    def __init__(self, command: Sequence[str], *, log: Path) -> None:
        """Start the command, a path and its arguments. log: file for its output; it is emptied first."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self.pid = os.posix_spawn(command[0], [*command], os.environ, file_actions=actions, setsid=True)

    def ended(self) -> bool:
        """Return whether it has ended."""
        with contextlib.suppress(ChildProcessError):
            return os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        return True

    def end(self) -> None:
        """Send SIGTERM."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
