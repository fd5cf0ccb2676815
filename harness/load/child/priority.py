"""The load's timing is the measuring instrument: where the system allows it (root), others wait for it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PRIORITY = -15
AUTOGROUP = Path("/proc/self/autogroup")


def be_served_first(*, own_session: bool, autogroup: Path = AUTOGROUP) -> None:
    """Raise this process's priority; where that is refused, run on as before.

    Linux weighs whole sessions against each other (``man 7 sched``, autogroups), then processes within one.
    own_session: whether the harness made this process's session (its leader is the warden); that of a person's terminal
    is not ours. The kernel takes one such write in a tenth of a second from all of a container's processes, and refuses
    the others (EAGAIN).
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        if own_session:
            autogroup.write_text(str(PRIORITY))
