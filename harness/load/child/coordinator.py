"""Coordinates a run from the master process (or the only process): sets time zero, numbers the workers, ends the run.

Every worker receives its number in the message ``harness.start`` and answers ``harness.done`` with its report when all
its requests have been answered. In the open model, Locust itself starts no users: its load shape requests none, and
ends the test once every worker is done or lost. Locust's own connection carries the messages; in a single process they
are calls. Its environment is Any, as for the workers.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.rpc import Message
from locust.runners import MasterRunner

from harness.load.child.worker import LoadWorker
from harness.load.protocol.child_spec import encode_spec
from harness.load.protocol.messages import (
    DONE,
    SAMPLES,
    START,
    STOP,
    LocustReport,
    StartMessage,
    WorkerReport,
    write_json,
)
from harness.load.protocol.sample_files import locust_file, report_file
from harness.model.load import LoadPlan

_LEAD_SINGLE_S, _LEAD_WORKERS_S = 0.05, 1.5
"""Time from the start message to the first due request; the message must reach every worker first."""
_MARGIN_S = 10.0
"""Time after the drain for users to stop and workers to send their reports."""
_LOST_S = 5.0
"""A worker counts as lost this long after Locust reports it missing (after 3 s of silence). Most return on a busy
machine."""
_LOCAL = "local"


class Coordinator:
    """Exists in every process except the workers. Created once Locust's environment is ready."""

    def __init__(
        self, environment: Any, plan: LoadPlan, folder: Path, *, local_worker: LoadWorker | None, upload: bool
    ) -> None:
        """local_worker: this process's worker if there are no others. upload: workers cannot write into ``folder``."""
        self._environment, self._plan, self._folder, self._local_worker = environment, plan, folder, local_worker
        self._runner = environment.runner
        self._numbers: dict[str, int] = {}
        self._done: set[str] = set()
        self._missing_since: dict[str, float] = {}
        self._late: set[str] = set()
        self._stopped = False
        self._ends_at = self._deadline = 0.0
        self._changed = Event()
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.quit.add_listener(self._on_quit)
        gevent.signal_handler(signal.SIGUSR1, self.stop)
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(DONE, self._on_done)
            if upload:
                self._store_batches()
            environment.events.worker_connect.add_listener(self._on_worker)

    def tick(self) -> tuple[int, float] | None:
        """Answer Locust's load shape: the number of users and the spawn rate, or None once the run has finished."""
        users = self._plan.users or 0
        if not self._deadline:
            return (users, float(max(users, 1)))
        while not self._finished():
            self._changed.wait(0.2)
            self._changed.clear()
        return None

    def stop(self) -> None:
        """Send no more requests, but wait for the answers as usual."""
        self._stopped = True
        self._runner.send_message(STOP, {})
        self._changed.set()

    def _on_test_start(self, **_: object) -> None:
        clients = [_LOCAL] if self._local_worker else [client.id for client in self._runner.clients.ready]
        self._numbers = {client: number for number, client in enumerate(clients)}
        lead_s = _LEAD_SINGLE_S if self._local_worker else _LEAD_WORKERS_S
        if self._plan.users:
            lead_s = 0.0
        epoch = time.time() + lead_s
        self._ends_at = time.monotonic() + lead_s + self._plan.duration_s
        self._deadline = self._ends_at + self._plan.drain_s + _MARGIN_S
        if self._local_worker:
            self._local_worker.on_done = lambda: self._mark_done(_LOCAL)
            self._local_worker.begin(self._start_message(epoch, 0))
            return
        for client, number in self._numbers.items():
            self._runner.send_message(START, self._start_message(epoch, number), client_id=client)

    def _start_message(self, epoch: float, worker: int) -> StartMessage:
        return {
            "plan": encode_spec(self._plan), "workers": len(self._numbers), "epoch": epoch,
            "host": self._environment.host, "worker": worker,
        }  # fmt: skip

    def _mark_done(self, client: str) -> None:
        self._done.add(client)
        self._changed.set()

    def _on_done(
        self,
        environment: object,  # noqa: ARG002 - Locust passes it by name
        msg: Message,
        **_: object,
    ) -> None:
        report: WorkerReport = msg.data
        write_json(report_file(self._folder, report["worker"]), report)
        self._mark_done(msg.node_id)

    def _store_batches(self) -> None:
        from harness.load.child.sample_upload import store_batch  # noqa: PLC0415 - load numpy only if it is needed

        def store(environment: object, msg: Message, **_: object) -> None:  # noqa: ARG001 - Locust passes it by name
            store_batch(self._folder, msg.data)

        self._runner.register_message(SAMPLES, store)

    def _on_worker(self, client_id: str, **_: object) -> None:
        if self._deadline and client_id not in self._numbers:
            self._late.add(client_id)

    def _finished(self) -> bool:
        now = time.monotonic()
        if self._plan.users and (self._stopped or now > self._ends_at):
            return True
        if isinstance(self._runner, MasterRunner):
            living = {client.id for client in self._runner.clients.all if client.state != "missing"}
            missing = set(self._numbers) - living - self._done
            self._missing_since = {client: self._missing_since.get(client, now) for client in missing}
        lost = {client for client, since in self._missing_since.items() if now - since > _LOST_S}
        return set(self._numbers) <= self._done | lost or now > self._deadline

    def _on_quit(self, exit_code: int, **_: object) -> None:
        report: LocustReport = {
            "counted": self._runner.stats.num_requests,
            "workers": len(self._numbers),
            "lost": sorted(self._numbers[client] for client in set(self._numbers) - self._done),
            "late": len(self._late),
            "exit_code": exit_code,
        }
        write_json(locust_file(self._folder), report)
