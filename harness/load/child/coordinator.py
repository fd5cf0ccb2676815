"""Leads a run from the master process (or the only one): fixes its zero, hands out places, ends it.

Every worker is told its place by a message, ``harness.start``, and answers ``harness.done`` with its
facts when all is answered. In the open model Locust itself starts no users: its shape asks for none
and ends the test when all workers are done or lost. Locust's own link carries the messages; in a
single process they are calls.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import MasterRunner

from harness.load.child.worker import DONE, SAMPLES, START, STOP, Part
from harness.load.protocol import sample_files as files
from harness.load.protocol.child_spec import order_text, write_json
from harness.model.load import LoadPlan

_LEAD_ALONE_S, _LEAD_WORKERS_S = 0.05, 1.5
"""From the start message to the first due request: workers have to hear of it first."""
_MARGIN_S = 10.0
"""After the drain, for users to stop and workers to tell."""
_LOST_S = 5.0
"""Without a sign of life, after Locust itself has missed a worker for 3 s: on a busy machine most come back."""


class Coordinator:
    """Made when Locust's environment is ready, in every process but workers."""

    def __init__(self, environment: Any, plan: LoadPlan, folder: Path, *, alone: Part | None, ship: bool) -> None:
        """alone: this process's own part when there are no workers. ship: workers cannot write into ``folder``."""
        self._environment, self._plan, self._folder, self._alone = environment, plan, folder, alone
        self._runner = environment.runner
        self._places: dict[str, int] = {}
        self._done: set[str] = set()
        self._missed_since: dict[str, float] = {}
        self._late: set[str] = set()
        self._stopped = False
        self._ends_at = self._deadline = 0.0
        self._changed = Event()
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.quit.add_listener(self._on_quit)
        gevent.signal_handler(signal.SIGUSR1, self.stop)
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(DONE, self._on_done)
            if ship:
                self._keep_samples()
            environment.events.worker_connect.add_listener(self._on_worker)

    def tick(self) -> tuple[int, float] | None:
        """For Locust's shape: how many users it runs, and None once everything has been answered."""
        users = self._plan.users or 0
        if not self._deadline:
            return (users, float(max(users, 1)))
        while not self._finished():
            self._changed.wait(0.2)
            self._changed.clear()
        return None

    def stop(self) -> None:
        """Send no more; wait for answers as usual."""
        self._stopped = True
        self._runner.send_message(STOP, {})
        self._changed.set()

    def _on_test_start(self, **_: Any) -> None:
        clients = ["local"] if self._alone else [client.id for client in self._runner.clients.ready]
        self._places = {client: place for place, client in enumerate(clients)}
        lead_s = _LEAD_ALONE_S if self._alone else _LEAD_WORKERS_S
        if self._plan.users:
            lead_s = 0.0
        epoch = time.time() + lead_s
        self._ends_at = time.monotonic() + lead_s + self._plan.duration_s
        self._deadline = self._ends_at + self._plan.drain_s + _MARGIN_S
        order = {
            "plan": order_text(self._plan), "workers": len(clients), "epoch": epoch, "host": self._environment.host,
        }  # fmt: skip
        if self._alone:
            self._alone.on_done = lambda: self._note_done("local")
            self._alone.begin({**order, "place": 0})
            return
        for client, place in self._places.items():
            self._runner.send_message(START, {**order, "place": place}, client_id=client)

    def _note_done(self, client: str) -> None:
        self._done.add(client)
        self._changed.set()

    def _on_done(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        write_json(files.facts_file(self._folder, msg.data["place"]), msg.data)
        self._note_done(msg.node_id)

    def _keep_samples(self) -> None:
        from harness.load.child.sample_upload import keep_batch  # noqa: PLC0415 - numpy is not loaded for nothing

        def keep(environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG001 - Locust passes it by name
            keep_batch(self._folder, msg.data)

        self._runner.register_message(SAMPLES, keep)

    def _on_worker(self, client_id: str, **_: Any) -> None:
        if self._deadline and client_id not in self._places:
            self._late.add(client_id)

    def _finished(self) -> bool:
        now = time.monotonic()
        if self._plan.users and (self._stopped or now > self._ends_at):
            return True
        if isinstance(self._runner, MasterRunner):
            living = {client.id for client in self._runner.clients.all if client.state != "missing"}
            missed = set(self._places) - living - self._done
            self._missed_since = {client: self._missed_since.get(client, now) for client in missed}
        lost = {client for client, since in self._missed_since.items() if now - since > _LOST_S}
        return set(self._places) <= self._done | lost or now > self._deadline

    def _on_quit(self, exit_code: int, **_: Any) -> None:
        facts = {
            "counted": self._runner.stats.num_requests,
            "workers": len(self._places),
            "lost": sorted(self._places[client] for client in set(self._places) - self._done),
            "late": len(self._late),
            "exit_code": exit_code,
        }
        write_json(files.locust_file(self._folder), facts)
