"""Messages between the master and its workers, and the JSON files in which they report a finished run.

Locust's own connection carries the messages; in a single process they are function calls. A worker's report is also
written to ``worker-N.json``, and Locust's own counts to ``locust.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from harness.errors import RecordError
from harness.load.protocol.sample_files import locust_file, report_file

START, DONE, STOP, SAMPLES = "harness.start", "harness.done", "harness.stop", "harness.samples"
"""Names of the messages. Master to worker: StartMessage, then nothing or STOP. Worker to master: WorkerReport,
SampleBatch."""


class StartMessage(TypedDict):
    """Tells a worker its number and the plan. epoch: epoch seconds of the first due request; host: Locust's."""

    plan: str
    workers: int
    epoch: float
    host: str | None
    worker: int


class WorkerReport(TypedDict):
    """A worker's account of its part of the run; the fields are those of ``LoadReport``.

    cpu_share: CPU time over wall time, in [0, 1]. broken: why samples could not be recorded, or empty.
    """

    worker: int
    scheduled: int
    recorded: int
    dropped: int
    silent: int
    unanswered: int
    unfinished: int
    task_errors: int
    users: int
    cpu_share: float
    broken: str
    notes: list[str]


class SampleBatch(TypedDict):
    """Samples ``first`` to ``first + count`` of a worker, compressed, and the names from byte ``names_from`` on."""

    worker: int
    first: int
    count: int
    header: bytes
    records: bytes
    names_from: int
    names: bytes


class LocustReport(TypedDict):
    """Locust's own counts. counted: requests; late: workers that connected after the start."""

    counted: int
    workers: int
    lost: list[int]
    late: int
    exit_code: int


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON file atomically."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def read_worker_report(folder: Path, worker: int) -> WorkerReport | None:
    """Return a worker's report, or None if it did not reach the end of the run."""
    return cast(WorkerReport | None, _read_json(report_file(folder, worker)))


def read_locust_report(folder: Path) -> LocustReport | None:
    """Return Locust's own counts, or None if its main process did not reach the end of the run."""
    return cast(LocustReport | None, _read_json(locust_file(folder)))


def _read_json(path: Path) -> object:
    try:
        return cast(object, json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: expected a report as JSON, found something else: {error}") from error
