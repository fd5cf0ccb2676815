"""Send the samples of workers on other machines to the master over Locust's connection, in compressed batches.

A worker sends a batch every second. A batch holds columns in whole microseconds, sorted by due time; due times are
stored as differences. Each column is written byte plane by byte plane (all lowest bytes first, then the next ones). In
larger batches, each plane is a zlib block with a Huffman code of its own, so that a sample takes 3 to 7 bytes. The
master writes the samples into the same files that a local worker would have written, so readers need not distinguish
the two.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import gevent
import numpy as np
from numpy.typing import NDArray

from harness.errors import RecordError
from harness.load.protocol import sample_files as files
from harness.load.protocol.messages import SampleBatch
from harness.load.protocol.sample_reader import RECORD_TYPE

EVERY_S = 1.0
MOST_RECORDS = 200_000
"""Per batch; a few megabytes before compression."""
_BLOCKS_FROM = 150
"""From this number of records on, a Huffman code per plane saves more than it costs."""
_PLANES = (("due_s", "<i8"), ("latency_s", "<i4"), ("late_s", "<i4"))
_OTHERS = ("size", "status", "operation", "error", "arm")


def pack(records: NDArray[np.void]) -> bytes:
    """Compress records (of ``RECORD_TYPE``), sorted by due time and rounded to microseconds."""
    records, parts = records[np.argsort(records["due_s"], kind="stable")], []
    for name, kind in _PLANES:
        micros = np.rint(records[name].astype(np.float64) * 1e6).astype(kind)
        parts.append(np.diff(micros, prepend=micros.dtype.type(0)) if name == "due_s" else micros)
    parts += [records[name] for name in _OTHERS]
    zipped, flush = zlib.compressobj(1), zlib.Z_BLOCK if len(records) >= _BLOCKS_FROM else zlib.Z_NO_FLUSH
    planes = [plane for part in parts for plane in _planes(part)]
    return b"".join(zipped.compress(plane) + zipped.flush(flush) for plane in planes) + zipped.flush()


def unpack(batch: bytes, count: int) -> NDArray[np.void]:
    """Return the records that ``pack`` compressed. Raises RecordError for anything but such a batch."""
    kinds: list[tuple[str, np.dtype[np.generic] | str]] = [*_PLANES, *((name, RECORD_TYPE[name]) for name in _OTHERS)]
    size = sum(np.dtype(kind).itemsize for _, kind in kinds)
    if not 0 <= count <= MOST_RECORDS:
        raise RecordError(f"expected a batch of at most {MOST_RECORDS} samples, found {count}")
    try:
        raw = zlib.decompressobj().decompress(batch, size * count + 1)
    except zlib.error as error:
        raise RecordError(f"expected a batch of samples, found {error}") from error
    if len(raw) != size * count:
        raise RecordError(f"expected {size * count} bytes for {count} samples, found {len(raw)} or more")
    records, offset = np.zeros(count, RECORD_TYPE), 0
    for name, kind in kinds:
        size = np.dtype(kind).itemsize
        planes = np.frombuffer(raw, np.uint8, count=size * count, offset=offset).reshape(size, count)
        column = planes.T.copy().view(kind).ravel()
        offset += size * count
        if name == "due_s":
            column = np.cumsum(column)
        records[name] = column * 1e-6 if name.endswith("_s") else column
    return records


def _planes(column: NDArray[np.generic]) -> list[bytes]:
    size = column.dtype.itemsize
    return [plane.tobytes() for plane in np.ascontiguousarray(column).view(np.uint8).reshape(-1, size).T]


class SampleUploader:
    """Sends the samples that a worker has recorded since the last batch."""

    def __init__(self, folder: Path, worker: int, send: Callable[[SampleBatch], None]) -> None:
        self._folder, self._worker, self._send = folder, worker, send
        self._sent = self._names_sent = 0
        self.bytes = 0

    def run(self) -> None:
        """Upload every second, until this greenlet is ended."""
        while True:
            gevent.sleep(EVERY_S)
            self.upload()

    def upload(self) -> None:
        """Send every sample that has been recorded but not sent."""
        path = files.samples_file(self._folder, self._worker)
        with path.open("rb") as stream:
            header = stream.read(files.HEADER_SIZE)
        count = int(files.HEADER.unpack(header)[files.COUNT_FIELD])
        while True:
            first, last = self._sent, min(count, self._sent + MOST_RECORDS)
            records = np.fromfile(
                path, RECORD_TYPE, count=last - first, offset=files.HEADER_SIZE + first * files.RECORD_SIZE
            )
            names = files.names_file(self._folder, self._worker).read_bytes()
            batch = pack(records)
            self.bytes += len(batch)
            self._send({
                "worker": self._worker, "first": first, "count": last - first, "header": header, "records": batch,
                "names_from": self._names_sent, "names": names[self._names_sent :],
            })  # fmt: skip
            self._sent, self._names_sent = last, len(names)
            if last == count:
                return


def store_batch(folder: Path, batch: SampleBatch) -> None:
    """Append a batch to the worker's files on the master. The header, which contains the count, is written last.

    Raises RecordError, before it writes anything, for a message that is not a batch.
    """
    worker, first, count = batch["worker"], batch["first"], batch["count"]
    if len(batch["header"]) != files.HEADER_SIZE or first < 0 or batch["names_from"] < 0:
        raise RecordError(f"expected a batch of samples of worker {worker}, found one without its header or its place")
    records = unpack(batch["records"], count).tobytes()
    names = os.open(files.names_file(folder, worker), os.O_WRONLY | os.O_CREAT, 0o644)
    _write_all(names, batch["names"], batch["names_from"])
    os.close(names)
    samples = os.open(files.samples_file(folder, worker), os.O_RDWR | os.O_CREAT, 0o644)
    _write_all(samples, records, files.HEADER_SIZE + first * files.RECORD_SIZE)
    header = list(files.HEADER.unpack(batch["header"]))
    header[files.COUNT_FIELD] = first + count
    os.pwrite(samples, files.HEADER.pack(*header), 0)
    os.close(samples)


def _write_all(file: int, content: bytes, offset: int) -> None:
    """Write all of ``content``: one write may be short on a nearly full disk. Raises OSError when the disk is full."""
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written
