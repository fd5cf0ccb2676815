"""Workers of one xdist session take turns: two loads at once on one machine would measure each other.

Each worker has its own mesh on its own ports all the same. Separate pytest runs are not held up.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for the other workers of this session; without xdist there is nobody to wait for."""
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if session is None:
        yield
        return
    path = Path(tempfile.gettempdir()) / f"harness-{os.getuid()}-{session}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
