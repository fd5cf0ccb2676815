"""Send load with Locust in a child process: start it, read its sample files while it runs, end its whole process tree.

This module imports neither locust nor gevent; ``harness.load.child`` runs in the child.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import free_ports
from harness.errors import LoadError, LoadProfileError
from harness.load.parent.load_report import build_report
from harness.load.planning.schedule import check_stages
from harness.load.protocol.child_spec import write_spec
from harness.load.protocol.commands import child_environment, standalone_command
from harness.load.protocol.messages import read_locust_report
from harness.load.protocol.sample_files import importing_file, refusal_file
from harness.load.protocol.sample_reader import SampleReader, read_headers
from harness.load.protocol.stack_dump import DUMP_SIGNAL, MARK, find_profile_line
from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples

LOCUST_LIMIT_S = 120.0
"""Time for the child to start and import Locust itself, which takes one or two seconds of CPU."""
START_LIMIT_S = 40.0
"""Time from then until the first request is due. This includes the import of the profile."""
END_MARGIN_S = 15.0
"""Time for the child to end by itself after the drain. It does not if the profile hangs; then we stop it."""


class LocustLoad:
    """Sends load with Locust; see ``harness.load.port.Load``."""

    def __init__(
        self,
        *,
        start_limit_s: float = START_LIMIT_S,
        end_margin_s: float = END_MARGIN_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        """now: returns epoch seconds; ``started_at`` refers to this clock."""
        self._start_limit_s, self._end_margin_s, self._now = start_limit_s, end_margin_s, now

    @contextmanager
    def start(self, plan: LoadPlan, folder: Path) -> Iterator[LocustRun]:
        """Start sending and yield once the first request is due. On exit, end every process of the load generator."""
        check_plan(plan)
        folder = new_folder(folder)
        spec = write_spec(plan, folder)
        command = standalone_command(plan, port=free_ports(1)[0] if plan.processes > 1 else None)
        with start(command, name="load generator", log=folder / "locust.log", env=child_environment(spec)) as process:
            run = LocustRun(plan, folder, process, end_margin_s=self._end_margin_s, now=self._now)
            try:
                run.wait_for_start(self._start_limit_s)
            finally:
                spec.unlink()  # its headers and URL may contain credentials, and every worker has read it
            yield run


class LocustRun:
    """Load that is being sent by one Locust child and its forks; see ``harness.load.port.RunningLoad``."""

    def __init__(
        self, plan: LoadPlan, folder: Path, process: Process, *, end_margin_s: float, now: Callable[[], float]
    ) -> None:
        self.started_at = 0.0
        self._plan, self._folder, self._process, self._now = plan, folder, process, now
        self._after_s = plan.drain_s + end_margin_s
        self._reader = SampleReader(folder)
        self._stopped_at: float | None = None

    def samples(self) -> Samples:
        """Return every sample recorded so far."""
        return self._reader.samples()

    def running(self) -> bool:
        """Return whether requests are still being sent or awaited. Raises LoadError if the load generator died.

        A load generator that is still running long after the drain hangs. This returns False then, and ``finish`` stops
        it.
        """
        if self._process.running():
            return self._now() < self.started_at + self._plan.duration_s + self._after_s
        if read_locust_report(self._folder) is None:
            raise LoadError(
                f"expected the load generator to run to its end, it ended with exit code {self._process.exit_code}",
                log=self._process.last_lines(),
            )
        return False

    def finish(self) -> LoadReport:
        """Stop sending if requests are still due, wait for the last answers and return the report."""
        end_at = self.started_at + self._plan.duration_s
        if self._process.running() and self._now() < end_at - 0.25:
            self._stopped_at = self._now() - self.started_at
            os.kill(self._process.pid, signal.SIGUSR1)
            end_at = self._now()
        limit_s = max(0.0, end_at + self._after_s - self._now())
        in_time = wait_until(lambda: not self._process.running(), timeout_s=limit_s)
        hung = "" if in_time else self._find_hang()
        if not in_time:
            self._process.stop(1.0)
        return build_report(
            self._plan,
            self._folder,
            self.samples(),
            exit_code=self._process.exit_code or 0,
            started_at=self.started_at,
            stopped_at_s=self._stopped_at,
            hung=hung,
            in_time=in_time,
        )

    def wait_for_start(self, limit_s: float) -> None:
        """Wait until every worker has created its sample file and the first request is due."""
        importing = importing_file(self._folder)
        wait_until(lambda: importing.exists() or not self._process.running(), timeout_s=LOCUST_LIMIT_S)

        def begun() -> bool:
            headers = read_headers(self._folder)
            return bool(headers) and len(headers) == headers[0].workers

        wait_until(lambda: begun() or not self._process.running(), timeout_s=limit_s, interval_s=0.01)
        if not begun():
            raise self._start_error(limit_s)
        self.started_at = read_headers(self._folder)[0].zero_epoch + self._now() - time.time()
        time.sleep(max(0.0, self.started_at - self._now()))

    def _find_hang(self) -> str:
        """Return the line of the profile that is being executed, or an empty text if the child does not answer."""
        for pid in {self._process.pid, *(header.pid for header in read_headers(self._folder))}:
            with suppress(ProcessLookupError):
                os.kill(pid, DUMP_SIGNAL)
        wait_until(lambda: MARK in self._process.tail(200), timeout_s=2)
        return find_profile_line(self._process.tail(200), self._plan.profile)

    def _start_error(self, limit_s: float) -> LoadError | LoadProfileError:
        refusal = refusal_file(self._folder)
        if refusal.exists():
            return LoadProfileError(f"{refusal.read_text()}\n{self._process.last_lines()}")
        if self._process.running() and not importing_file(self._folder).exists():
            return LoadError(
                f"expected Locust itself to start within {LOCUST_LIMIT_S:g} s, it has not: is this machine overloaded? "
                f"{self._process.last_lines()}"
            )
        if self._process.running():
            where = self._find_hang()
            return LoadError(
                f"expected the first request within {limit_s:g} s, the load generator has sent none"
                + (f": it is still at {where}; " if where else "; ")
                + f"does {self._plan.profile} block while it is imported? {self._process.last_lines()}"
            )
        return LoadError(
            f"the load generator ended with exit code {self._process.exit_code} before its first request; "
            f"does {self._plan.profile} end it? {self._process.last_lines()}"
        )


def new_folder(folder: Path) -> Path:
    """Create ``load`` in the run's folder, or ``load-2`` and so on if the run has sent load before."""
    for number in count(1):
        path = folder / ("load" if number == 1 else f"load-{number}")
        if not path.exists():
            break
    path.mkdir(parents=True)
    return path


def check_plan(plan: LoadPlan) -> None:
    """Raise LoadProfileError if the plan cannot be executed."""
    check_stages(plan.stages)
    if not plan.profile.is_file():
        raise LoadProfileError(f"{plan.profile}: expected a locustfile, found no such file")
    if "," in str(plan.profile.absolute()):
        raise LoadProfileError(f"{plan.profile}: Locust separates file names by commas: rename the file")
    _check_url(plan.url)
    if plan.processes < 1 or (plan.users is not None and plan.users < 1):
        raise LoadProfileError(f"expected at least one process and one user, found {plan.processes} and {plan.users}")


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise LoadProfileError(f"expected a URL that starts with http:// or https:// for the load, found {url!r}")
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s?#]", url)
    except ValueError:  # the port is not a number, or the address is malformed
        whole = False
    if not whole:
        raise LoadProfileError(
            f"expected a URL with a host and optionally a port and a path, "
            f"such as http://127.0.0.1:8080, for the load, found {url!r}"
        )
