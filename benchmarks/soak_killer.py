"""A pytest plugin that kills its own process with SIGKILL at one step of a run, or records what the steps are.

A step is the start or the end of a function of the harness in a phase of the run, such as
``steady|harness.runner.supervision:Supervision.wait:call``. With
HARNESS_SOAK_STEPS every step is written to that file when the process ends, in the order of its first occurrence. With
HARNESS_SOAK_KILL the process dies at the first occurrence of that step. With HARNESS_SOAK_MEMORY the memory of the
process is appended to that file after each test, and no test starts after HARNESS_SOAK_UNTIL (epoch seconds).
"""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import psutil
import pytest

_EDGES = ("call", "return")


class _Phase:
    """Follows the phase of the run by the notes in its timeline."""

    def __init__(self) -> None:
        self.now = "before"

    def follow(self, frame: FrameType) -> None:
        """Note a new phase if this call does."""
        if frame.f_locals["kind"] == "phase":
            self.now = frame.f_locals["text"]


class _Steps:
    """Sees every start and end of a function of the harness in the main thread."""

    def __init__(self) -> None:
        self._phase = _Phase()
        self._seen: dict[str, None] = {}

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        """Is called by Python at each start and end of a function."""
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        # Bodies of modules and classes are not optimized; the methods that dataclasses generate are in no file.
        is_function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_filename.startswith("<")
        if event not in _EDGES or not is_function or not module.startswith("harness."):
            return
        if code.co_qualname == "Timeline.note":
            self._phase.follow(frame)
        self._seen.setdefault(f"{self._phase.now}|{module}:{code.co_qualname}:{event}")

    def write(self, file: Path) -> None:
        """Write the steps that were seen, one a line."""
        sys.setprofile(None)
        file.write_text("\n".join(self._seen))


class _Death:
    """Kills this process at one step; it looks at little else, because it is called for every function of the run."""

    def __init__(self, step: str) -> None:
        self._when, place = step.split("|", 1)
        self._module, self._name, self._edge = place.split(":")
        self._phase = _Phase()

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        """Is called by Python at each start and end of a function, also of those written in C."""
        if event not in _EDGES:
            return
        name = frame.f_code.co_qualname
        if name == "Timeline.note":
            self._phase.follow(frame)
        is_here = name == self._name and event == self._edge and self._phase.now == self._when
        if is_here and frame.f_globals.get("__name__") == self._module:
            os.kill(os.getpid(), signal.SIGKILL)


def pytest_runtestloop() -> None:
    """Start to watch the steps: what precedes this hook starts nothing."""
    steps_file, kill_at = os.environ.get("HARNESS_SOAK_STEPS"), os.environ.get("HARNESS_SOAK_KILL")
    if steps_file:
        steps = _Steps()
        atexit.register(steps.write, Path(steps_file))
        sys.setprofile(steps.profile)
    elif kill_at:
        sys.setprofile(_Death(kill_at).profile)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """Append the memory of this process after each test."""
    file = os.environ.get("HARNESS_SOAK_MEMORY")
    if file:
        gc.collect()
        with Path(file).open("a", encoding="utf-8") as out:
            memory = psutil.Process().memory_full_info()
            out.write(f"{memory.uss + memory.swap}\n")  # what the machine has swapped out is ours all the same


def pytest_runtest_setup(item: pytest.Item) -> None:
    """End the session when its time is over."""
    until = os.environ.get("HARNESS_SOAK_UNTIL")
    if until and time.time() > float(until):
        item.session.shouldstop = "the time is over"
        pytest.skip("the time is over")
