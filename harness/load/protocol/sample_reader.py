"""Reads the sample files of a run while they grow; see ``harness.load.protocol.sample_files`` for their layout.

Only records the reader has not seen are read, into columns that double when they are full: a look
costs what is new, and the samples it returns are views that later looks never change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RecordError
from harness.load.protocol import sample_files as files
from harness.model.samples import COLUMNS, DTYPES, Samples

RECORD_TYPE = np.dtype(
    [
        ("due_s", "<f8"), ("latency_s", "<f8"), ("late_s", "<f4"), ("size", "<i4"),
        ("status", "<i2"), ("operation", "<i2"), ("error", "<i2"), ("arm", "i1"), ("_", "V1"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The header of a worker's sample file. zero_epoch: epoch seconds of the first due request."""

    worker: int
    workers: int
    count: int
    zero_epoch: float
    scheduled: int
    dropped: int
    pid: int


@dataclass(slots=True)
class _Worker:
    seen: int = 0
    names_read: int = 0
    operations: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)


class SampleReader:
    """All workers' samples of one run, as far as they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: dict[int, _Worker] = {}
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(1024, DTYPES[name]) for name in COLUMNS}
        self._length = 0
        self._operations: dict[str, int] = {}
        self._errors: dict[str, int] = {"": 0}

    def samples(self) -> Samples:
        """Every sample whose record is whole."""
        for head in read_heads(self._folder):
            self._read(head)
        columns = {name: column[: self._length] for name, column in self._columns.items()}
        return Samples(**columns, operations=tuple(self._operations), errors=tuple(self._errors))

    def _read(self, head: Head) -> None:
        worker = self._workers.setdefault(head.worker, _Worker())
        new = head.count - worker.seen
        if new <= 0:
            return
        offset = files.HEADER_SIZE + worker.seen * files.RECORD_SIZE
        path = files.samples_file(self._folder, head.worker)
        records = np.fromfile(path, dtype=RECORD_TYPE, count=new, offset=offset)
        if len(records) != new:
            raise RecordError(f"{path}: expected {head.count} records, found {worker.seen + len(records)}: it was cut")
        self._read_names(head.worker, worker)
        self._reserve(new)
        end = self._length + new
        for name in ("due_s", "latency_s", "late_s", "size", "status", "arm"):
            self._columns[name][self._length : end] = records[name]
        self._columns["operation"][self._length : end] = np.asarray(worker.operations, np.int16)[records["operation"]]
        self._columns["error"][self._length : end] = np.asarray(worker.errors, np.int16)[records["error"]]
        self._length, worker.seen = end, head.count

    def _read_names(self, number: int, worker: _Worker) -> None:
        with files.names_file(self._folder, number).open("rb") as text:
            text.seek(worker.names_read)
            lines = text.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        worker.names_read += len(lines)
        for line in lines.splitlines():
            kind, _, name = json.loads(line)
            ours, theirs = (
                (self._operations, worker.operations) if kind == files.OPERATION else (self._errors, worker.errors)
            )
            theirs.append(ours.setdefault(name, len(ours)))

    def _reserve(self, new: int) -> None:
        size = len(self._columns["due_s"])
        if self._length + new <= size:
            return
        size = max(2 * size, self._length + new)
        for name, column in self._columns.items():
            self._columns[name] = np.empty(size, column.dtype)
            self._columns[name][: self._length] = column[: self._length]


def read_heads(folder: Path) -> tuple[Head, ...]:
    """The headers of all sample files of a run that have been begun, by worker."""
    heads = []
    for path in folder.glob("worker-*.samples"):
        with path.open("rb") as stream:
            raw = stream.read(files.HEADER_SIZE)
        if len(raw) < files.HEADER_SIZE:
            continue
        magic, worker, workers, count, epoch, _, scheduled, dropped, pid = files.HEADER.unpack(raw)
        if magic == files.MAGIC:
            heads.append(
                Head(
                    worker=worker, workers=workers, count=count, zero_epoch=epoch,
                    scheduled=scheduled, dropped=dropped, pid=pid,
                )
            )  # fmt: skip
    return tuple(sorted(heads, key=lambda head: head.worker))


def read_facts(path: Path) -> dict[str, Any] | None:
    """A worker's or Locust's facts, or None when it has not ended as planned."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return facts
