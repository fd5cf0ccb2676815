"""Zstandard streams, by pyarrow, which reads and writes the samples too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa

from harness.errors import RecordError


class Source(Protocol):
    """Decompressed bytes."""

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, fewer only at the end."""
        ...


class Sink(Protocol):
    """Bytes to compress."""

    def write(self, content: bytes) -> int:
        """Compress the bytes."""
        ...


@contextmanager
def compressed(path: Path) -> Iterator[Sink]:
    """Write a compressed file."""
    with pa.OSFile(str(path), "wb") as plain, pa.CompressedOutputStream(plain, "zstd") as stream:
        yield cast("Sink", stream)


@contextmanager
def decompressed(path: Path) -> Iterator[Source]:
    """Read a compressed file. Raises RecordError for a file that cannot be read or is not compressed with zstd."""
    try:
        with pa.OSFile(str(path), "rb") as plain, pa.CompressedInputStream(plain, "zstd") as stream:
            yield cast("Source", stream)
    except (OSError, pa.ArrowException) as error:
        raise RecordError(f"{path}: expected a file of harness bundle pack, found something else: {error}") from error
