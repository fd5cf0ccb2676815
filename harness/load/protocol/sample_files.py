"""The files a load worker writes: layout shared by the worker (no numpy there) and by the reader.

``worker-N.samples``: a header of 64 bytes, then records of 32 bytes, written through a memory map.
A record is whole once the header's ``count`` includes it, so a reader may look at any time and a
worker killed with SIGKILL loses only what was in flight. ``worker-N.names``: one JSON row a line,
``["operation", 3, "/reviews"]``, written before the first record that refers to it.
``worker-N.json``: the worker's own facts, written when it has ended as planned. ``locust.json``:
Locust's own count, written when the run has ended.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct

MAGIC = b"HRNSMPL1"
HEADER = Struct("<8siiqddqqi4x")
"""magic, worker, workers, count, zero as epoch seconds, zero on the monotonic clock, scheduled, dropped, process id."""
COUNT_FIELD = 3
COUNT, SCHEDULED, DROPPED = 2, 5, 6
"""Places of the live counters in the header, in units of eight bytes."""
RECORD = Struct("<ddfihhhbx")
"""due (seconds since zero), latency (seconds), late (seconds), size, status, operation, error, arm."""
HEADER_SIZE, RECORD_SIZE = HEADER.size, RECORD.size
OPERATION, ERROR = "operation", "error"
MOST_NAMES = 1000
"""Different operations, or errors, that are told apart; the rest share one name."""


def samples_file(folder: Path, worker: int) -> Path:
    """Where a worker's samples are."""
    return folder / f"worker-{worker}.samples"


def names_file(folder: Path, worker: int) -> Path:
    """Where the names are that a worker's samples refer to."""
    return folder / f"worker-{worker}.names"


def reserve_file(folder: Path, worker: int) -> Path:
    """Room on the disk that a worker gives back when there is no other."""
    return folder / f"worker-{worker}.reserve"


def facts_file(folder: Path, worker: int) -> Path:
    """Where a worker's facts are, once it has ended as planned."""
    return folder / f"worker-{worker}.json"


def refusal_file(folder: Path) -> Path:
    """Where the child says why it cannot run the profile."""
    return folder / "refused.txt"


def importing_file(folder: Path) -> Path:
    """There as soon as Locust itself has started, and the profile is what is imported next."""
    return folder / "importing"


def locust_file(folder: Path) -> Path:
    """Where Locust's own count is."""
    return folder / "locust.json"
