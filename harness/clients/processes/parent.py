"""End a process when the one that started it has ended, also by SIGKILL.

``given_to_child`` names this process, and a lock that the child must keep, in the child's environment. The child calls
``claim``. On Linux it then gets SIGTERM when its parent dies. Elsewhere only the lock tells that it still runs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping

VARIABLE = "HARNESS_PARENT"
_PR_SET_PDEATHSIG = 1


def given_to_child(environ: Mapping[str, str], *, lock: int) -> dict[str, str]:
    """Return the environment of a command of ours that must end with this process.

    lock: a file descriptor that the child inherits; it stays open as long as the child runs, and no longer.
    """
    return {**environ, VARIABLE: f"{os.getpid()} {lock}"}


def claim(environ: MutableMapping[str, str]) -> None:
    """End with the parent that the environment names, if it names one, and hide it from other processes.

    Raises KeyboardInterrupt if the parent has ended already.
    """
    pid, _, lock = environ.pop(VARIABLE, "").partition(" ")
    if not (pid.isdecimal() and lock.isdecimal()):
        return
    fcntl.fcntl(int(lock), fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # a stage that we start outlives us, and must not hold it
    end_with_parent()
    if os.getppid() != int(pid):
        raise KeyboardInterrupt("the process that started this one has ended")


def end_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies; elsewhere a killed parent leaves this process to its own end."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - only for processes that end with their parent

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
