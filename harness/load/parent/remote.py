"""A run whose master is on another machine: its files are mirrored to this machine and read as if written here.

Sample files only grow, so only new bytes are fetched. The header of a sample file is fetched first and written last, so
that the reader never expects records that have not arrived yet.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, cast

from harness.errors import HarnessError, LoadError, LoadProfileError
from harness.load.parent.load_report import build_report
from harness.load.protocol.sample_files import COUNT_FIELD, HEADER, HEADER_SIZE, RECORD_SIZE, refusal_file
from harness.load.protocol.sample_reader import SampleReader, read_headers
from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples

_END_MARGIN_S = 20.0
_LOG = "locust.log"
_MOST = 4 * 1024 * 1024
"""Bytes per request."""

Fetch = Callable[[str], bytes]
"""Returns the body of the answer to ``GET path`` from the master pod. Raises a HarnessError if there is none."""


class _State(TypedDict):
    """The answer to ``GET /state``: sizes of the files by name, and the exit code, None while Locust runs."""

    files: dict[str, int]
    exit_code: int | None


class RemoteRun:
    """Load that a master and workers on other machines send; see ``harness.load.port.RunningLoad``."""

    def __init__(self, plan: LoadPlan, folder: Path, fetch: Fetch) -> None:
        """folder: where the files are mirrored."""
        self.started_at = 0.0
        self._plan, self._folder, self._fetch = plan, folder, fetch
        self._reader = SampleReader(folder)
        self._sizes: dict[str, int] = {}
        self._exit_code: int | None = None
        self._lost = ""
        self._stopped_at: float | None = None

    def samples(self) -> Samples:
        """Return every sample that has arrived."""
        self._mirror()
        return self._reader.samples()

    def running(self) -> bool:
        """Return whether requests are still being sent or awaited. Raises LoadError if the master cannot be reached."""
        self._mirror()
        if self._lost:
            raise LoadError(f"the load generator's master cannot be reached any more: {self._lost}")
        return self._exit_code is None

    def finish(self) -> LoadReport:
        """Wait for the last answers and return the report, which covers the samples that have arrived."""
        end_at = self.started_at + self._plan.duration_s
        if not self._lost and self._exit_code is None and time.time() < end_at - 0.25:
            self._stopped_at = time.time() - self.started_at
            self._fetch("/stop")
            end_at = time.time()
        limit_at = end_at + self._plan.drain_s + _END_MARGIN_S
        while not self._lost and self._exit_code is None and time.time() < limit_at:
            time.sleep(0.2)
            self._mirror()
        self._mirror()
        in_time = self._exit_code is not None
        return build_report(
            self._plan,
            self._folder,
            self._reader.samples(),
            exit_code=-1 if self._exit_code is None else self._exit_code,
            started_at=self.started_at,
            stopped_at_s=self._stopped_at,
            in_time=in_time or bool(self._lost),
        )

    def wait_for_start(self, limit_s: float) -> None:
        """Wait until samples of every worker have arrived. Every worker uploads at least an empty batch."""
        give_up = time.monotonic() + limit_s
        while time.monotonic() < give_up:
            self._mirror()
            headers = read_headers(self._folder)
            if headers and len(headers) == headers[0].workers:
                self.started_at = headers[0].zero_epoch
                return
            if self._exit_code is not None:
                raise self._start_error(f"Locust's master ended with exit code {self._exit_code}")
            time.sleep(0.2)
        raise self._start_error(f"expected the first samples of all workers within {limit_s:g} s, found none")

    def _start_error(self, problem: str) -> LoadError | LoadProfileError:
        refused = refusal_file(self._folder)
        if refused.exists():
            return LoadProfileError(refused.read_text())
        log = self._folder / _LOG
        lines = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
        return LoadError(problem, log="\n".join(["last lines of the master's log:", *lines]))

    def _mirror(self) -> None:
        """Fetch new bytes. If the master does not answer any more, remember why instead of raising an error."""
        if self._lost:
            return
        try:
            state = cast(_State, json.loads(self._fetch("/state")))
            for name, size in sorted(state["files"].items()):
                self._fetch_file(name, size)
        except (HarnessError, OSError) as error:
            self._lost = str(error)
            return
        self._exit_code = state["exit_code"]

    def _fetch_file(self, name: str, size: int) -> None:
        if name.endswith(".samples"):
            header = self._fetch(f"/file/{name}/0/{HEADER_SIZE}")
            if len(header) == HEADER_SIZE:
                whole = HEADER_SIZE + HEADER.unpack(header)[COUNT_FIELD] * RECORD_SIZE
                names = name.replace(".samples", ".names")
                self._append(names, _MOST, first=0)
                self._append(name, whole, first=HEADER_SIZE)
                with (self._folder / name).open("r+b") as stream:
                    stream.write(header)
        elif name.endswith(".log"):
            self._append(name, size, first=0)
        elif not name.endswith(".names") and self._sizes.get(name) != size:
            (self._folder / name).write_bytes(self._fetch(f"/file/{name}/0/{_MOST}"))
            self._sizes[name] = size

    def _append(self, name: str, size: int, *, first: int) -> None:
        """Fetch until the mirrored file has ``size`` bytes, or there is nothing more to fetch."""
        path, have = self._folder / name, self._sizes.get(name, first)
        path.touch()
        with path.open("r+b") as stream:
            stream.seek(have)
            while have < size and (new := self._fetch(f"/file/{name}/{have}/{min(size - have, _MOST)}")):
                stream.write(new)
                have += len(new)
        self._sizes[name] = have
