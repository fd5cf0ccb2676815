"""Give a process that measures or keeps time a high CPU priority, where the system allows it (as root)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PRIORITY = -15
AUTOGROUP = Path("/proc/self/autogroup")
_ATTEMPTS, _RETRY_S = 10, 0.11


def raise_priority(*, own_session: bool, autogroup: Path = AUTOGROUP) -> None:
    """Raise this process's priority. Where the system does not permit it, the process continues with its old priority.

    Linux schedules whole sessions against each other (autogroups, ``man 7 sched``), and then the processes within one.
    own_session: whether the harness created this process's session (its leader is the supervisor). The session of a
    person's terminal is not changed.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        if own_session:
            _raise_session_priority(autogroup)


def raise_priorities(pids: Iterable[int], proc: Path = Path("/proc")) -> None:
    """Raise the priority of the sessions of processes, which the harness created, where the system permits it."""
    for pid in pids:
        with suppress(OSError):
            _raise_session_priority(proc / str(pid) / "autogroup")


def _raise_session_priority(autogroup: Path) -> None:
    """Set the session's priority. In a container, the kernel accepts one such write per 0.1 s from all processes."""
    for _ in range(_ATTEMPTS):
        try:
            autogroup.write_text(str(PRIORITY))
        except BlockingIOError:
            time.sleep(_RETRY_S)
        else:
            return
