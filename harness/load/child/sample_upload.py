"""Samples over Locust's own link, for workers on other machines: compressed batches, once a second.

A batch holds columns of whole microseconds, sorted by due time; due times as differences. Each column is written byte
plane by byte plane (all lowest bytes, then the next ones) and each plane, in larger batches, is a block of zlib's with
a code of its own, so that a sample takes 3 to 7 bytes. The master writes what arrives into the same files that a local worker would have
written: whoever reads them does not see a difference.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import numpy as np

from harness.load.protocol import sample_files as files
from harness.load.protocol.sample_reader import RECORD_TYPE

EVERY_S = 1.0
MOST_RECORDS = 200_000
"""In one batch: some megabytes before compression."""
_BLOCKS_FROM = 150
"""Records from which on a code for each plane saves more than it takes."""
_PLANES = (("due_s", "<i8"), ("latency_s", "<i4"), ("late_s", "<i4"))
_OTHERS = ("size", "status", "operation", "error", "arm")


def pack(records: Any) -> bytes:
    """Records (of ``RECORD_TYPE``) as a compressed batch, in the order of their due times, rounded to microseconds."""
    records, parts = records[np.argsort(records["due_s"], kind="stable")], []
    for name, kind in _PLANES:
        micros = np.rint(records[name].astype(np.float64) * 1e6).astype(kind)
        parts.append(np.diff(micros, prepend=micros.dtype.type(0)) if name == "due_s" else micros)
    parts += [records[name] for name in _OTHERS]
    zipped, flush = zlib.compressobj(1), zlib.Z_BLOCK if len(records) >= _BLOCKS_FROM else zlib.Z_NO_FLUSH
    planes = [plane for part in parts for plane in _planes(part)]
    return b"".join(zipped.compress(plane) + zipped.flush(flush) for plane in planes) + zipped.flush()


def unpack(batch: bytes, count: int) -> Any:
    """The records that ``pack`` packed."""
    records, raw, place = np.zeros(count, RECORD_TYPE), zlib.decompress(batch), 0
    kinds: list[tuple[str, Any]] = [*_PLANES, *((name, RECORD_TYPE[name]) for name in _OTHERS)]
    for name, kind in kinds:
        size = np.dtype(kind).itemsize
        planes = np.frombuffer(raw, np.uint8, count=size * count, offset=place).reshape(size, count)
        column = planes.T.copy().view(kind).ravel()
        place += size * count
        if name == "due_s":
            column = np.cumsum(column)
        records[name] = column * 1e-6 if name.endswith("_s") else column
    return records


def _planes(column: Any) -> list[bytes]:
    size = column.dtype.itemsize
    return [plane.tobytes() for plane in np.ascontiguousarray(column).view(np.uint8).reshape(-1, size).T]


class SampleUploader:
    """Sends what a worker has recorded since the last batch."""

    def __init__(self, folder: Path, place: int, send: Callable[[dict[str, Any]], None]) -> None:
        self._folder, self._place, self._send = folder, place, send
        self._sent = self._names_sent = 0
        self.bytes = 0

    def run(self) -> None:
        """Ship until the end."""
        while True:
            gevent.sleep(EVERY_S)
            self.ship()

    def ship(self) -> None:
        """Send everything that is recorded and not sent yet."""
        path = files.samples_file(self._folder, self._place)
        with path.open("rb") as stream:
            header = stream.read(files.HEADER_SIZE)
        count = int(files.HEADER.unpack(header)[files.COUNT_FIELD])
        while True:
            first, last = self._sent, min(count, self._sent + MOST_RECORDS)
            records = np.fromfile(
                path, RECORD_TYPE, count=last - first, offset=files.HEADER_SIZE + first * files.RECORD_SIZE
            )
            names = files.names_file(self._folder, self._place).read_bytes()
            batch = pack(records)
            self.bytes += len(batch)
            self._send({
                "place": self._place, "first": first, "count": last - first, "header": header, "records": batch,
                "names_from": self._names_sent, "names": names[self._names_sent :],
            })  # fmt: skip
            self._sent, self._names_sent = last, len(names)
            if last == count:
                return


def keep_batch(folder: Path, batch: dict[str, Any]) -> None:
    """The master's side: append a batch to the worker's files; the header, and with it the count, is written last."""
    place, first, count = batch["place"], batch["first"], batch["count"]
    names = os.open(files.names_file(folder, place), os.O_WRONLY | os.O_CREAT, 0o644)
    _write_whole(names, batch["names"], batch["names_from"])
    os.close(names)
    samples = os.open(files.samples_file(folder, place), os.O_RDWR | os.O_CREAT, 0o644)
    _write_whole(samples, unpack(batch["records"], count).tobytes(), files.HEADER_SIZE + first * files.RECORD_SIZE)
    header = list(files.HEADER.unpack(batch["header"]))
    header[files.COUNT_FIELD] = first + count
    os.pwrite(samples, files.HEADER.pack(*header), 0)
    os.close(samples)


def _write_whole(file: int, content: bytes, place: int) -> None:
    """Raises OSError on a full disk, where one write may be short."""
    while content:
        written = os.pwrite(file, content, place)
        content, place = content[written:], place + written
