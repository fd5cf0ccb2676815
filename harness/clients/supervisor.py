"""A tiny parent for one command that ends with the harness, and takes every descendant along.

Run as ``python -I -S supervisor.py SOCKET GRACE COMMAND...`` by ``harness.clients.processes``; standard library only.
SOCKET is one end of a socket pair whose other end only the harness holds. The supervisor writes one line to it,
``started PID`` or ``failed ERRNO``; from then on a line with a number of seconds, end of file (the harness
is gone, however it went), SIGTERM, SIGINT or SIGHUP make it end the command and all its descendants:
SIGTERM, GRACE seconds, SIGKILL. When the command ends by itself, what it left behind is ended the same way.
The supervisor leaves with the command's exit code, or by the signal that ended the command.

Linux: the supervisor is a *subreaper*, so orphans (daemons, ``setsid``, double forks) become its children
and none is lost; "no child left" is proof that all are gone. End of file could be hidden by a forked copy of the
harness that still holds the socket, so the parent-death signal makes the supervisor look whether its
parent is still the same (the signal alone proves nothing: it is also sent when merely the thread that
started the supervisor ends). When the supervisor itself is killed with SIGKILL, the command gets SIGKILL by
its own parent-death signal; the command's children then live on until ``Process.stop`` ends their process group.

macOS and others have neither: end of file still ends the command's process group (without a grace once the
command itself has ended), but a grandchild that moved to another group or session lives on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"
UNKILLABLE_S = 10.0
"""How long to wait for processes after SIGKILL: one that hangs in the kernel must not keep the supervisor for ever."""


def main(arguments: list[str]) -> None:
    """Start the command, wait for a reason to end it, end it with all its descendants."""
    harness, line, grace_s = os.getppid(), socket.socket(fileno=int(arguments[0])), float(arguments[1])
    line.set_inheritable(False)
    wake = _wake_by_signals()
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        _prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    command, error = _start(arguments[2:])
    with contextlib.suppress(OSError):  # the harness may be gone already; the loop will see that
        line.sendall(f"failed {error}\n".encode() if error else f"started {command}\n".encode())
    if error:
        os.waitpid(command, 0)
        os._exit(127)
    status: int | None = None
    while status is None:
        readable = select.select([line.fileno(), wake], [], [])[0]
        received = os.read(wake, 64) if wake in readable else b""
        status = _reap()[0].get(command)
        orphaned = signal.SIGUSR1 in received and os.getppid() != harness
        told = _told(line) if line.fileno() in readable else b""
        if told:
            grace_s = float(told)
        if line.fileno() in readable or orphaned or {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} & set(received):
            break
    status = _end_all(command, grace_s, wake, status)
    _leave(status)


def _told(line: socket.socket) -> bytes:
    try:
        return line.recv(64)
    except ConnectionResetError:  # the harness was killed before it read our answer
        return b""


def _wake_by_signals() -> int:
    """A file descriptor from which the number of each signal that arrives can be read."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.set_blocking(read_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    return read_end


def _start(command: list[str]) -> tuple[int, int]:
    """Process id of the command, and 0 or the errno of the failed exec."""
    read_end, write_end = os.pipe()
    supervisor, child = os.getpid(), os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            if LINUX:
                _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != supervisor:
                    os._exit(127)
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(write_end, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end) as failure:
        return child, int(failure.read() or 0)


def _end_all(command: int, grace_s: float, wake: int, status: int | None) -> int:
    """End the command and every descendant; the command's wait status."""
    asked: set[int] = set()
    kill_at = time.monotonic() + grace_s
    while time.monotonic() < kill_at + UNKILLABLE_S:
        ended, childless = _reap()
        status = ended.get(command, status)
        if childless:
            break
        late = time.monotonic() >= kill_at
        living = _descendants() if LINUX else {-command}
        _signal(living if late else living - asked, signal.SIGKILL if late else signal.SIGTERM)
        asked |= living
        select.select([wake], [], [], 0.02 if late else min(0.1, grace_s))
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 64)
    if not LINUX:
        _signal({-command}, signal.SIGKILL)
    return signal.SIGKILL if status is None else status


def _reap() -> tuple[dict[int, int], bool]:
    """Wait statuses of the children that have ended, by process id; and whether no child is left."""
    ended: dict[int, int] = {}
    try:
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return ended, False
            ended[process] = status
    except ChildProcessError:
        return ended, True


def _descendants() -> set[int]:
    """Process ids of all living descendants of this process."""
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - pathlib costs half the start
    found, size = {os.getpid()}, 0
    while len(found) > size:
        size = len(found)
        found |= {process for process, parent in parents.items() if parent in found}
    return found - {os.getpid()}


def _parent(process: str) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:  # noqa: PTH123 - as above
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _signal(processes: set[int], number: int) -> None:
    """Send a signal to processes, or to process groups by their negative ids."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _leave(status: int) -> None:
    """Exit as the command did."""
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if os.WTERMSIG(status) != signal.SIGKILL:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    main(sys.argv[1:])
