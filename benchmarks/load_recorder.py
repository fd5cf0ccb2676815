"""Measure the recorder alone with a million requests, and compare it with Locust's own statistics.

``benchmarks/load.py`` runs this. It prints ``name=value`` words, or with ``--batch`` the bytes per uploaded sample.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from locust.env import Environment  # isort: split

import numpy as np

from harness.load.child.recorder import Recorder
from harness.load.child.sample_upload import pack
from harness.load.protocol import sample_files as files
from harness.load.protocol.sample_reader import RECORD_TYPE, SampleReader

COUNT, BLOCK = 1_000_000, 10_000


class Answer:
    """The parts of a response that the recorder reads."""

    status_code = 200
    headers = {"x-harness-arm": "canary", "content-type": "text/plain"}  # noqa: RUF012 - never modified


def main(folder: Path) -> None:
    """Record a million requests and print the 10 % quantile of the cost: other processes can only add to the cost."""
    (folder / "recorder").mkdir()
    recorder = Recorder(
        folder / "recorder", worker=0, workers=1, epoch=time.time(), zero=time.perf_counter(),
        arm_header="x-harness-arm", arms=("baseline", "canary"), on_full=lambda error: sys.exit(str(error)),
    )  # fmt: skip
    environment = Environment()
    environment.create_local_runner()
    stats = environment.events.request._handlers[0]  # noqa: SLF001 - measure only the handler
    event: dict[str, Any] = {
        "request_type": "GET", "name": "/reviews", "response_time": 1.25, "response_length": 120, "response": Answer(),
        "context": {}, "exception": None, "start_time": time.time(), "url": "http://x/reviews",
    }  # fmt: skip
    empty_s = float(np.quantile([_block(lambda **_: None, event) for _ in range(20)], 0.1))
    reader, polls, records, handled = SampleReader(folder / "recorder"), [], [], []
    before = _anonymous_mb()
    for _ in range(COUNT // BLOCK):
        records.append(_block(recorder.record, event) - empty_s)
        polls.append(_timed(reader.samples))
    recorded_mb = _anonymous_mb() - before
    handled = [_block(stats, event) - empty_s for _ in range(20)]
    columns_mb = sum(column.nbytes for column in reader._columns.values()) / 1e6  # noqa: SLF001
    size_mb = files.samples_file(folder / "recorder", 0).stat().st_size / 1e6
    print(
        f"record_ns={np.quantile(records, 0.1) * 1e9:.0f} stats_ns={np.quantile(handled, 0.1) * 1e9:.0f} "
        f"poll_ms={np.median(polls) * 1e3:.3f} file_mb={size_mb:.2f} "
        f"anonymous_mb={max(0.0, recorded_mb - columns_mb):.2f}"
    )


def batch(folder: Path) -> None:
    """Print the bytes per sample for real latencies in batches of one second."""
    due, latency, late = np.load(folder / "latencies.npy")
    records = np.zeros(len(due), RECORD_TYPE)
    records["due_s"], records["latency_s"], records["late_s"], records["status"], records["size"] = (
        due,
        latency,
        late,
        200,
        4,
    )
    seconds = due.astype(int)
    sizes = [len(pack(records[seconds == second])) for second in np.unique(seconds)]
    print(sum(sizes) / len(records))


def _block(handler: Callable[..., Any], event: dict[str, Any]) -> float:
    """Return the time per call in seconds."""
    began = time.perf_counter()
    for _ in range(BLOCK):
        handler(**event)
    return (time.perf_counter() - began) / BLOCK


def _timed(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon"))


if __name__ == "__main__":
    if "--batch" in sys.argv:
        batch(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]))
