"""Layout of the files that a load worker writes, shared by the worker (which does not load numpy) and the reader.

``worker-N.samples``: a header of 64 bytes, then records of 32 bytes, written through a memory map. A record is complete
once the header's ``count`` includes it. A reader may therefore read at any time, and a worker that is killed with
SIGKILL loses only the requests in flight. ``worker-N.names``: one JSON array per line, such as ``["operation", 3,
"/reviews"]``, written before the first record that refers to it. ``worker-N.json``: the worker's report, written when
it has reached the end of the run. ``worker-N.bodies``: bodies of failed answers, if the profile asks for them.
``worker-N.answers``: whole bodies of the entry for replays, if ``harness.yaml`` asks for them.
``locust.json``: Locust's own counts, written when the run has ended.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct

MAGIC = b"HRNSMPL1"
HEADER = Struct("<8siiqddqqi4x")
"""magic, worker, workers, count, time zero in epoch seconds and on the monotonic clock, scheduled, dropped, process
id."""
COUNT_FIELD = 3
COUNT, SCHEDULED, DROPPED = 2, 5, 6
"""Positions of the live counters in the header, in units of eight bytes."""
RECORD = Struct("<ddfihhhbx")
"""due (seconds since time zero), latency (seconds), late (seconds), size, status, operation, error, arm."""
HEADER_SIZE, RECORD_SIZE = HEADER.size, RECORD.size
OPERATION, ERROR = "operation", "error"
BODIES, ANSWERS = ".bodies", ".answers"
MOST_NAMES = 1000
"""Number of operations, and of errors, that are recorded by name; all others share one name."""


def samples_file(folder: Path, worker: int) -> Path:
    """Return the path of a worker's samples."""
    return folder / f"worker-{worker}.samples"


def names_file(folder: Path, worker: int) -> Path:
    """Return the path of the names to which a worker's samples refer."""
    return folder / f"worker-{worker}.names"


def reserve_file(folder: Path, worker: int) -> Path:
    """Return the path of a file that reserves disk space; the worker deletes it when the disk is full."""
    return folder / f"worker-{worker}.reserve"


def bodies_file(folder: Path, worker: int) -> Path:
    """Return the path of the bodies of failed answers that a worker keeps."""
    return folder / f"worker-{worker}{BODIES}"


def answers_file(folder: Path, worker: int) -> Path:
    """Return the path of the answers that a worker keeps for replays."""
    return folder / f"worker-{worker}{ANSWERS}"


def report_file(folder: Path, worker: int) -> Path:
    """Return the path of a worker's report, which exists once the worker has reached the end of the run."""
    return folder / f"worker-{worker}.json"


def refusal_file(folder: Path) -> Path:
    """Return the path of the file in which the child explains why it cannot run the profile."""
    return folder / "refused.txt"


def importing_file(folder: Path) -> Path:
    """Return the path of a file that appears once Locust itself has started; Locust then imports the profile."""
    return folder / "importing"


def locust_file(folder: Path) -> Path:
    """Return the path of Locust's own counts."""
    return folder / "locust.json"
