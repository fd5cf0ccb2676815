"""Let the workers of an xdist session take turns, because two loads on one machine would disturb each other.

Each worker still has its own mesh on its own ports. Separate pytest runs do not wait for each other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(run_folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait for the other workers of this session, which share ``run_folder``. Without xdist, return at once.

    say: tells what this worker is waiting for or doing.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another worker, which is measuring")
            fcntl.flock(lock, fcntl.LOCK_EX)
        say("begins to measure")
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            say("ended")
