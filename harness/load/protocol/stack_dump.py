"""Find out where a profile that never yields is stuck: the child writes its stack to its log when it gets a signal.

The signal handler is written in Python, because Python runs it between two bytecode instructions of the profile.
``faulthandler`` reads frames from another thread while they change; it has crashed the child with SIGSEGV.
"""

from __future__ import annotations

import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

DUMP_SIGNAL = signal.SIGUSR2
MARK = "harness: stack, most recent call last:"


def install_stack_dump(suspended: Callable[[], FrameType | None]) -> None:
    """Make this process write its stack to standard error whenever it gets ``DUMP_SIGNAL``.

    suspended: returns the frame of the main greenlet while another greenlet runs. During an import the main greenlet
    waits and the hub runs.
    """

    def dump(_number: int, frame: FrameType | None) -> None:
        stacks = [traceback.format_stack(each) for each in (suspended(), frame) if each is not None]
        sys.stderr.write("".join([f"{MARK}\n", *(line for stack in stacks for line in stack)]))
        sys.stderr.flush()

    signal.signal(DUMP_SIGNAL, dump)


def find_profile_line(log: str, profile: Path) -> str:
    """Return the profile's innermost line in the log's last stack, such as ``visit.py:7 in read``, or an empty text."""
    _, found, trace = log.rpartition(MARK)
    lines = re.findall(rf'File "{re.escape(str(profile.absolute()))}", line (\d+), in (\S+)', trace)
    return "{}:{} in {}".format(profile.name, *lines[-1]) if found and lines else ""
