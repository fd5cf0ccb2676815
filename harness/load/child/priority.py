"""The load's timing is the measuring instrument: where the system allows it (root), others wait for it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

PRIORITY = -15
AUTOGROUP = Path("/proc/self/autogroup")
_TRIES, _RATION_S = 10, 0.11


def be_served_first(*, own_session: bool, autogroup: Path = AUTOGROUP) -> None:
    """Raise this process's priority; where that is refused, run on as before.

    Linux weighs whole sessions against each other (``man 7 sched``, autogroups), then processes within one.
    own_session: whether the harness made this process's session (its leader is the supervisor); that of a person's terminal
    is not ours.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        if own_session:
            _raise_session(autogroup)


def _raise_session(autogroup: Path) -> None:
    """In a container the kernel takes one such write in a tenth of a second from all processes, and refuses the others."""
    for _ in range(_TRIES):
        try:
            autogroup.write_text(str(PRIORITY))
        except BlockingIOError:
            time.sleep(_RATION_S)
        else:
            return
