"""Where a profile is that never gives way: the child is asked by a signal, and answers in its log.

A handler in Python, because it runs between two steps of the profile. ``faulthandler`` from a thread of its own
looks at frames while they change and has ended the child with SIGSEGV.
"""

from __future__ import annotations

import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

ASK = signal.SIGUSR2
MARK = "harness: asked where it is, in the order of calls:"


def answer_when_asked(waiting: Callable[[], FrameType | None]) -> None:
    """From now on this process writes to its standard error where it is when it gets the signal ``ASK``.

    waiting: the frame of the main greenlet while another one runs; during an import it waits, the hub runs.
    """

    def answer(_number: int, frame: FrameType | None) -> None:
        stacks = [traceback.format_stack(each) for each in (waiting(), frame) if each is not None]
        sys.stderr.write("".join([f"{MARK}\n", *(line for stack in stacks for line in stack)]))
        sys.stderr.flush()

    signal.signal(ASK, answer)


def place_in(log: str, profile: Path) -> str:
    """The innermost line of the profile in the last answer, such as ``visit.py:7 in read``; empty without one."""
    _, answered, trace = log.rpartition(MARK)
    lines = re.findall(rf'File "{re.escape(str(profile.absolute()))}", line (\d+), in (\S+)', trace)
    return "{}:{} in {}".format(profile.name, *lines[-1]) if answered and lines else ""
