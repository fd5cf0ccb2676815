"""Read the sample files of a run while they grow; ``harness.load.protocol.sample_files`` describes their layout.

Each call reads only the new records, into columns that double in size when they are full. The cost of a call depends on
the number of new records only, and the arrays it returns are views that later calls never change.
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
class SampleHeader:
    """The header of a worker's sample file. zero_epoch: epoch seconds of the first due request."""

    worker: int
    workers: int
    count: int
    zero_epoch: float
    scheduled: int
    dropped: int
    pid: int


@dataclass(slots=True)
class _Progress:
    """How far a worker's files have been read, and the numbers that replace the worker's own numbers of names."""

    records_read: int = 0
    name_bytes_read: int = 0
    operations: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)


class SampleReader:
    """Reads the samples that all workers of a run have written so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._progress: dict[int, _Progress] = {}
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(1024, DTYPES[name]) for name in COLUMNS}
        self._length = 0
        self._operations: dict[str, int] = {}
        self._errors: dict[str, int] = {"": 0}

    def samples(self) -> Samples:
        """Return every sample whose record is complete."""
        for header in read_headers(self._folder):
            self._read(header)
        columns = {name: column[: self._length] for name, column in self._columns.items()}
        return Samples(**columns, operations=tuple(self._operations), errors=tuple(self._errors))

    def _read(self, header: SampleHeader) -> None:
        path = files.samples_file(self._folder, header.worker)
        try:
            self._read_new(header, path)
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise RecordError(f"{path}: expected the samples of a worker, found damaged ones: {error}") from error

    def _read_new(self, header: SampleHeader, path: Path) -> None:
        progress = self._progress.setdefault(header.worker, _Progress())
        new = header.count - progress.records_read
        if new <= 0:
            return
        offset = files.HEADER_SIZE + progress.records_read * files.RECORD_SIZE
        whole = (path.stat().st_size - files.HEADER_SIZE) // files.RECORD_SIZE
        records = np.fromfile(path, dtype=RECORD_TYPE, count=max(0, min(new, whole)), offset=offset)
        if len(records) != new:
            found = progress.records_read + len(records)
            raise RecordError(f"{path}: expected {header.count} records, found {found}: the file is truncated")
        if (records["operation"] < 0).any() or (records["error"] < 0).any():
            raise ValueError("a record refers to a name by a negative number")
        self._read_names(header.worker, progress)
        self._grow(new)
        end = self._length + new
        for name in ("due_s", "latency_s", "late_s", "size", "status", "arm"):
            self._columns[name][self._length : end] = records[name]
        operations, errors = np.asarray(progress.operations, np.int16), np.asarray(progress.errors, np.int16)
        self._columns["operation"][self._length : end] = operations[records["operation"]]
        self._columns["error"][self._length : end] = errors[records["error"]]
        self._length, progress.records_read = end, header.count

    def _read_names(self, worker: int, progress: _Progress) -> None:
        with files.names_file(self._folder, worker).open("rb") as text:
            text.seek(progress.name_bytes_read)
            lines = text.read()
        lines = lines[: lines.rfind(b"\n") + 1]
        progress.name_bytes_read += len(lines)
        for line in lines.splitlines():
            kind, _, name = json.loads(line)
            if not isinstance(name, str):
                raise TypeError("a name is no text")
            ours, theirs = (
                (self._operations, progress.operations) if kind == files.OPERATION else (self._errors, progress.errors)
            )
            theirs.append(ours.setdefault(name, len(ours)))

    def _grow(self, new: int) -> None:
        size = len(self._columns["due_s"])
        if self._length + new <= size:
            return
        size = max(2 * size, self._length + new)
        for name, column in self._columns.items():
            self._columns[name] = np.empty(size, column.dtype)
            self._columns[name][: self._length] = column[: self._length]


def read_headers(folder: Path) -> tuple[SampleHeader, ...]:
    """Return the headers of all sample files that exist so far, ordered by worker."""
    headers = []
    for path in folder.glob("worker-*.samples"):
        with path.open("rb") as stream:
            raw = stream.read(files.HEADER_SIZE)
        if len(raw) < files.HEADER_SIZE:
            continue
        magic, worker, workers, count, epoch, _, scheduled, dropped, pid = files.HEADER.unpack(raw)
        if magic == files.MAGIC:
            headers.append(
                SampleHeader(
                    worker=worker, workers=workers, count=count, zero_epoch=epoch,
                    scheduled=scheduled, dropped=dropped, pid=pid,
                )
            )  # fmt: skip
    return tuple(sorted(headers, key=lambda header: header.worker))
