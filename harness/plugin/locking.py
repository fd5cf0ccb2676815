"""Let the workers of an xdist session take turns: two loads at once on one machine would measure each other.

Each worker still has its own mesh on its own ports. Separate pytest runs do not wait for each other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(run_folder: Path) -> Iterator[None]:
    """Wait for the other workers of this session, which share ``run_folder``. Without xdist, return at once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
