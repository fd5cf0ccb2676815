"""Runs one command as its parent process. When the harness ends, it ends every descendant of the command.

``child.py`` runs it as ``python -I -S supervisor.py SOCKET GRACE COMMAND...``, so it may import only the standard
library. SOCKET is one end of a socket pair; only the harness holds the other end. The supervisor writes one line to it,
``started PID`` or ``failed ERRNO``. After that, it ends the command and all descendants (SIGTERM, GRACE seconds,
SIGKILL) when it receives a line with a number of seconds, when it reads end of file (the harness has died), or on
SIGTERM, SIGINT or SIGHUP. When the command ends by itself, the supervisor ends the processes that the command left
behind in the same way. The supervisor exits with the command's exit code, or with the signal that ended the command.

On Linux, the supervisor is a *subreaper*, so orphans (daemons, ``setsid``, double forks) become its children and none
is lost; when no child is left, all descendants are gone. A forked copy of the harness that still holds the socket would
hide the end of file. Therefore, on its parent-death signal, the supervisor checks whether its parent is still the same
process. (The signal alone proves nothing: it is also sent when only the thread that started the supervisor ends.) If
the supervisor itself is killed with SIGKILL, the command's own parent-death signal kills the command; the command's
children then survive until ``Process.stop`` ends their process group.

macOS and other systems have neither mechanism. End of file still ends the command's process group (without a grace
period if the command itself has already ended), but a grandchild that moved to another process group or session
survives.
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
"""How long to wait for processes after SIGKILL. A process that hangs in the kernel must not block the supervisor
forever."""


def main(arguments: list[str]) -> None:
    """Start the command, wait until there is a reason to end it, then end it and all its descendants."""
    harness, connection, grace_s = os.getppid(), socket.socket(fileno=int(arguments[0])), float(arguments[1])
    connection.set_inheritable(False)
    wake = _signal_pipe()
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        _prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    command, error = _start(arguments[2:])
    with contextlib.suppress(OSError):  # the harness may have died already; the loop below notices
        connection.sendall(f"failed {error}\n".encode() if error else f"started {command}\n".encode())
    if error:
        os.waitpid(command, 0)
        os._exit(127)
    status: int | None = None
    while status is None:
        readable = select.select([connection.fileno(), wake], [], [])[0]
        received = os.read(wake, 64) if wake in readable else b""
        status = _reap()[0].get(command)
        orphaned = signal.SIGUSR1 in received and os.getppid() != harness
        message = _receive(connection) if connection.fileno() in readable else b""
        if message:
            grace_s = float(message)
        if (
            connection.fileno() in readable
            or orphaned
            or {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} & set(received)
        ):
            break
    status = _end_all(command, grace_s, wake, status)
    _exit_like(status)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(64)
    except ConnectionResetError:  # the harness was killed before it read our answer
        return b""


def _signal_pipe() -> int:
    """Return a file descriptor that yields the number of each signal that arrives, one byte each."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    os.set_blocking(read_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
    return read_end


def _start(command: list[str]) -> tuple[int, int]:
    """Fork and execute the command. Returns its process id, and the errno if exec failed (otherwise 0)."""
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
    """End the command and every descendant. Returns the command's wait status."""
    signalled: set[int] = set()
    kill_at = time.monotonic() + grace_s
    while time.monotonic() < kill_at + UNKILLABLE_S:
        ended, childless = _reap()
        status = ended.get(command, status)
        if childless:
            break
        late = time.monotonic() >= kill_at
        living = _descendants() if LINUX else {-command}
        _signal(living if late else living - signalled, signal.SIGKILL if late else signal.SIGTERM)
        if not late:
            _signal(living - signalled, signal.SIGCONT)  # a stopped process would not handle SIGTERM
        signalled |= living
        select.select([wake], [], [], 0.02 if late else min(0.1, grace_s))
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 64)
    if not LINUX:
        _signal({-command}, signal.SIGKILL)
    return signal.SIGKILL if status is None else status


def _reap() -> tuple[dict[int, int], bool]:
    """Reap children. Returns the wait statuses of those that have ended, by process id, and whether none is left."""
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
    """Return the process ids of all living descendants of this process."""
    # Not pathlib: importing it would double the start-up time.
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208
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
    """Send a signal to processes; a negative id stands for a process group."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _exit_like(status: int) -> None:
    """Exit with the command's exit code, or by the signal that ended it."""
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
