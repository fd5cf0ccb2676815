"""Plays the order's part in this Locust process: alone, as master, or as a worker.

The master (or the single process) fixes the zero of the run and tells every worker its place by a
message, ``harness.start``; workers answer ``harness.done`` with their facts when all is answered.
Locust itself starts no users in the open model: its shape asks for none and ends the test when all
workers are done or lost. Locust's own link carries the messages; a single process gets them by a call.
"""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import islice
from pathlib import Path
from random import seed as seed_profile
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from harness.load import recording as files
from harness.load.child.driver import Driver
from harness.load.child.headers import add_headers
from harness.load.child.recorder import Recorder
from harness.load.order import order_text, read_order
from harness.load.schedule import due_times
from harness.model.load import LoadPlan

START, DONE, STOP = "harness.start", "harness.done", "harness.stop"
_LEAD_LOCAL_S, _LEAD_WORKERS_S = 0.05, 1.5
"""From the start message to the first due request: workers have to hear of it first."""
_MARGIN_S = 5.0
_ARMS = ("baseline", "canary")


class Conductor:
    """What this process does in the run; made when Locust's environment is ready."""

    def __init__(self, environment: Any, plan: LoadPlan, folder: Path) -> None:
        self._environment, self._plan, self._folder = environment, plan, folder
        self._runner = environment.runner
        self._places: dict[str, int] = {}
        self._done: dict[str, Any] = {}
        self._lost: set[str] = set()
        self._deadline = 0.0
        self._changed = Event()
        self.part = Part(environment, folder)
        if isinstance(self._runner, (LocalRunner, WorkerRunner)):
            self._runner.register_message(START, self.part.start, concurrent=True)
            self._runner.register_message(STOP, self.part.stop)
        if isinstance(self._runner, (LocalRunner, MasterRunner)):
            environment.events.test_start.add_listener(self._on_test_start)
            environment.events.quit.add_listener(self._on_quit)
            gevent.signal_handler(signal.SIGUSR1, self.stop)
        if isinstance(self._runner, MasterRunner):
            self._runner.register_message(DONE, self._on_done)

    def tick(self) -> tuple[int, float] | None:
        """For Locust's shape: no users of its own, then None once everything has been answered."""
        if not self._deadline:
            return (0, 1.0)
        while not self._finished():
            self._changed.wait(0.2)
            self._changed.clear()
        return None

    def stop(self) -> None:
        """Send no more; wait for answers as usual."""
        self._runner.send_message(STOP, {})

    def _on_test_start(self, **_: Any) -> None:
        alone = isinstance(self._runner, LocalRunner)
        clients = ["local"] if alone else [client.id for client in self._runner.clients.ready]
        self._places = {client: place for place, client in enumerate(clients)}
        lead_s = _LEAD_LOCAL_S if alone else _LEAD_WORKERS_S
        epoch = time.time() + lead_s
        self._deadline = time.monotonic() + lead_s + self._plan.duration_s + self._plan.drain_s + _MARGIN_S
        order = {"plan": order_text(self._plan), "workers": len(clients), "epoch": epoch}
        if alone:
            self.part.on_done = self._alone_done
            gevent.spawn(self.part.begin, {**order, "place": 0, "host": self._environment.host})
            return
        for client, place in self._places.items():
            message = {**order, "place": place, "host": self._environment.host}
            self._runner.send_message(START, message, client_id=client)

    def _alone_done(self, facts: dict[str, Any]) -> None:
        self._done["local"] = facts
        self._changed.set()

    def _on_done(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        self._done[msg.node_id] = msg.data
        self._changed.set()

    def _finished(self) -> bool:
        if isinstance(self._runner, MasterRunner):
            living = {client.id for client in self._runner.clients.all if client.state != "missing"}
            self._lost |= set(self._places) - living - set(self._done)
        return set(self._places) <= set(self._done) | self._lost or time.monotonic() > self._deadline

    def _on_quit(self, exit_code: int, **_: Any) -> None:
        facts = {
            "counted": self._runner.stats.num_requests,
            "started": len(self._places),
            "lost": sorted(self._places[client] for client in self._lost),
            "exit_code": exit_code,
        }
        write_json(files.locust_file(self._folder), facts)


class Part:
    """One worker's share of the run."""

    def __init__(self, environment: Any, folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self._driver: Driver | None = None
        self.on_done: Any = None

    def start(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        """Listener of the start message."""
        self.begin(msg.data)

    def stop(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        """Listener of the stop message."""
        if self._driver is not None:
            self._driver.stop()

    def begin(self, order: dict[str, Any]) -> None:
        """Send this worker's arrivals; tell when all is answered."""
        environment, plan, place = self._environment, read_order(order["plan"]), order["place"]
        environment.host = order["host"] or environment.host
        for kind in environment.user_classes:
            kind.host = environment.host or kind.host
        seed_profile(plan.seed * 1000 + place)
        zero = time.perf_counter() + order["epoch"] - time.time()
        recorder = Recorder(
            self._folder,
            worker=place,
            workers=order["workers"],
            epoch=order["epoch"],
            zero=zero,
            arm_header=plan.arm_header,
            arms=_ARMS,
            on_full=self._full,
        )
        environment.events.request.add_listener(recorder.record)
        due = islice(due_times(plan.stages, plan.arrivals, plan.seed), place, None, order["workers"])
        driver = self._driver = Driver(
            environment, recorder, zero=zero, due=due, seed=plan.seed * 1000 + place, drain_s=plan.drain_s
        )
        add_headers(
            environment.user_classes,
            plan.headers,
            trace_share=plan.trace_share,
            seed=plan.seed + place,
            note=self._note,
        )
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        driver.run()
        cpu_share = (time.process_time() - cpu_s) / (time.perf_counter() - wall_s)
        self._tell(self._facts(driver, recorder, cpu_share), place)

    def _note(self, text: str) -> None:
        if self._driver is not None and text not in self._driver.notes:
            self._driver.notes.append(text)

    def _full(self, error: OSError) -> None:
        if self._driver is not None and not self._driver.broken:
            self._driver.broken = f"samples could not be recorded: {error.strerror}"
            self._driver.stop(self._driver.broken)

    def _facts(self, driver: Driver, recorder: Recorder, cpu_share: float) -> dict[str, Any]:
        return {
            "scheduled": driver.scheduled,
            "recorded": recorder.count,
            "dropped": driver.dropped,
            "silent": driver.silent,
            "unanswered": driver.unanswered,
            "task_errors": driver.task_errors,
            "users": len(driver.seats),
            "cpu_share": cpu_share,
            "broken": driver.broken,
            "notes": driver.notes,
        }

    def _tell(self, facts: dict[str, Any], place: int) -> None:
        write_json(files.facts_file(self._folder, place), facts)
        self._environment.process_exit_code = 3 if facts["broken"] else 0
        if self.on_done is not None:
            self.on_done(facts)
        else:
            self._environment.runner.send_message(DONE, facts)


def write_json(path: Path, value: Any) -> None:
    """Write a whole file or none."""
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(value))
    os.replace(whole, path)  # noqa: PTH105 - the same file system, atomic
