"""Keep texts of a long session in a temporary file, so that its memory stays flat."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from typing import IO


class Spool:
    """Texts on disk, in a file without a name that is gone when the process ends, however it ends."""

    def __init__(self) -> None:
        """Open the file when the first text arrives."""
        self._file: IO[bytes] | None = None
        self._kept: dict[int, Mapping[str, str]] = {}
        self._size = 0

    def put(self, texts: Mapping[str, str]) -> int:
        """Store texts and return where they are. If the disk is full they stay in memory: no verdict may be lost."""
        place = self._size
        line = json.dumps(dict(texts)).encode() + b"\n"
        try:
            self._file = self._file or tempfile.TemporaryFile(prefix="harness-told-", buffering=0)  # noqa: SIM115
            self._file.seek(place)
            written = self._file.write(line)
        except OSError:
            written = 0
        if written != len(line):
            self._kept[place] = dict(texts)
        self._size += len(line)
        return place

    def get(self, place: int) -> Mapping[str, str]:
        """Return the texts that were stored there."""
        if place in self._kept:
            return self._kept[place]
        assert self._file is not None, "put returned this place"  # noqa: S101 - a contradiction in this class
        self._file.seek(place)
        found: dict[str, str] = json.loads(_line(self._file))
        return found

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()


def _line(file: IO[bytes]) -> bytes:
    parts: list[bytes] = []
    while not parts or b"\n" not in parts[-1]:
        part = file.read(65536)
        if not part:
            break
        parts.append(part)
    return b"".join(parts).partition(b"\n")[0]
