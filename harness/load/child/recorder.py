"""Record a sample for every request event of this worker; ``harness.load.protocol.sample_files`` describes the files.

The file grows by windows of 64 KiB. Each window is filled with zeros before it is mapped, so that a full disk raises an
error here instead of a SIGBUS at some later write to the memory map.
"""

from __future__ import annotations

import json
import mmap
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gevent import getcurrent
from locust.contrib.fasthttp import LocustBadStatusCode
from requests.exceptions import HTTPError

from harness.load.protocol import sample_files as files
from harness.load.users.answers import BadStatusError

WINDOW = 64 * 1024
_BAD_STATUS = (BadStatusError, LocustBadStatusCode, HTTPError)
"""Clients raise these because of the status alone. We record the status; only the profile decides if a 404 is an
error."""
_RESERVE = 16 * 1024
"""Bytes that are reserved on the disk, so that the final report can be written when the disk is full."""
_SUCCESS = 200
"""Status of a successful request without HTTP, such as a WebSocket message; 0 would mean that no answer came."""
_OTHERS = "(others)"
_pack, _RECORD_SIZE, _COUNT, _clock = files.RECORD.pack_into, files.RECORD_SIZE, files.COUNT, time.perf_counter
"""Bound once, because recording a request must take less than half a microsecond."""


class Recorder:
    """Writes one worker's sample file. Created once time zero is known; ``record`` listens to the request event."""

    def __init__(
        self,
        folder: Path,
        *,
        worker: int,
        workers: int,
        epoch: float,
        zero: float,
        arm_header: str,
        arms: tuple[str, ...],
        on_full: Callable[[OSError], None],
    ) -> None:
        """epoch, zero: time zero in epoch seconds and on the monotonic clock. on_full: called when the disk is full."""
        self.count = 0
        self.pending: dict[object, tuple[float, float]] = {}
        """Greenlets whose arrival has not sent a request yet, with the due time and lateness of that arrival."""
        self._zero, self._arm_header, self._on_full = zero, arm_header, on_full
        self._arms: Mapping[str | None, int] = {arm: number for number, arm in enumerate(arms)}
        self._stopped = False
        self._operations: dict[str, int] = {}
        self._errors: dict[str, int] = {"": 0}
        self._reserve = files.reserve_file(folder, worker)
        self._reserve.write_bytes(bytes(_RESERVE))
        self._names = os.open(files.names_file(folder, worker), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._write_name(files.ERROR, 0, "")
        self._file = os.open(files.samples_file(folder, worker), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._window_start = 0
        self._window = self._header = self._next_window(0)
        self._offset = files.HEADER_SIZE
        self.counters = memoryview(self._header).cast("q")
        files.HEADER.pack_into(
            self._header, 0, files.MAGIC, worker, workers, 0, epoch, zero, 0, 0, os.getpid()
        )  # fmt: skip

    # Longer than 40 lines, because this is the hot path: calls to smaller functions would cost too much time.
    def record(  # noqa: PLR0917 - named parameters are faster than a dictionary of the remaining ones
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None,
        response: Any = None,  # of any client that Locust has
        context: object = None,  # noqa: ARG002
        exception: object = None,
        start_time: float | None = None,  # noqa: ARG002
        url: str | None = None,  # noqa: ARG002
        **more: object,  # noqa: ARG002
    ) -> None:
        """Handle Locust's request event. response_time: in milliseconds."""
        latency = response_time * 1e-3 if response_time else 0.0
        if (pending := self.pending) and (arrival := pending.pop(getcurrent(), None)) is not None:
            due, late = arrival
            latency += late
        else:
            due, late = _clock() - self._zero - latency, 0.0
        status, arm = 0, -1
        if response is not None:
            try:
                status = response.status_code or 0
                arm = self._arms.get(response.headers.get(self._arm_header), -1)
            except AttributeError:  # not an HTTP response, or no answer
                pass
        elif request_type:
            name = f"{request_type} {name}"  # not HTTP: the name includes the type, as in "WSC say"
        if not status and exception is None:
            status = _SUCCESS
        try:
            operation = self._operations.get(name)
            if operation is None:
                operation = self._number(self._operations, files.OPERATION, name)
            error = 0 if exception is None else self._error(exception, status)
        except OSError as full:
            self._stop(full)
            return
        offset = self._offset
        if offset == WINDOW and (offset := self._start_window()) == WINDOW:
            return
        _pack(self._window, offset, due, latency, late, response_length or 0, status, operation, error, arm)
        self._offset = offset + _RECORD_SIZE
        self.counters[_COUNT] = self.count = self.count + 1

    def _start_window(self) -> int:
        """Map the next window. Returns the offset in it, or WINDOW if the disk is full."""
        if self._stopped:
            return WINDOW
        try:
            self._window = self._next_window(self._window_start + WINDOW)
        except OSError as error:
            os.ftruncate(self._file, self._window_start + WINDOW)
            self._stop(error)
            return WINDOW
        return 0

    def _stop(self, error: OSError) -> None:
        """Stop recording because the disk is full, and free the reserved space for the final report."""
        self._stopped = True
        self._reserve.unlink(missing_ok=True)
        self._on_full(error)

    def record_unanswered(self, greenlet: object, waited_s: float, text: str) -> None:
        """Record that this greenlet's arrival got no answer: a sample with status 0 and the error ``text``."""
        self.pending[getcurrent()] = self.pending.pop(greenlet)
        self.record("", "(no answer)", waited_s * 1e3, 0, exception=text)

    def _error(self, exception: object, status: int) -> int:
        if status and isinstance(exception, _BAD_STATUS):
            return 0
        kind = "" if isinstance(exception, str) else f"{type(exception).__name__}: "
        return self._number(self._errors, files.ERROR, f"{kind}{exception}"[:200])

    def _number(self, numbers: dict[str, int], kind: str, text: str) -> int:
        """Return the number of a name. Names beyond the first thousand share one; a profile should group its names."""
        number = numbers.get(text)
        if number is None:
            if len(numbers) >= files.MOST_NAMES and text != _OTHERS:
                return self._number(numbers, kind, _OTHERS)
            self._write_name(kind, len(numbers), text)
            number = numbers[text] = len(numbers)
        return number

    def _write_name(self, kind: str, number: int, text: str) -> None:
        """Write a complete line or nothing, before any sample refers to it."""
        if self._stopped:
            raise OSError("the disk is full")
        line, before = f"{json.dumps([kind, number, str(text)])}\n".encode(), os.fstat(self._names).st_size
        try:
            while line:  # a write to a nearly full disk may be short
                line = line[os.write(self._names, line) :]
        except OSError:
            os.ftruncate(self._names, before)
            raise

    def _next_window(self, start: int) -> mmap.mmap:
        zeros = memoryview(bytes(WINDOW))
        while zeros:  # a write to a nearly full disk may be short
            zeros = zeros[os.pwrite(self._file, zeros, start + WINDOW - len(zeros)) :]
        self._window_start = start
        return mmap.mmap(self._file, WINDOW, offset=start)
