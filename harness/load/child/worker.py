"""One worker's part of a run: its recorder, its arrivals, and what it says at the end."""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import seed as seed_profile
from types import TracebackType
from typing import Any, cast

import gevent
from gevent import GreenletExit
from locust.rpc import Message
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_WAITING

from harness.load.child.driver import Driver
from harness.load.child.headers import add_headers
from harness.load.child.recorder import Recorder
from harness.load.planning.schedule import due_times
from harness.load.protocol.child_spec import read_order, write_json
from harness.load.protocol.sample_files import facts_file
from harness.model.load import LoadPlan

START, DONE, STOP, SAMPLES = "harness.start", "harness.done", "harness.stop", "harness.samples"
MASTER_GONE_S = 8.0
"""Without a heartbeat of the master for this long, a worker ends: nobody would stop it."""
_ARMS = ("baseline", "canary")
_MOST_TRACES = 5
_GOODBYE_S = 15.0


class Part:
    """Begins when the start message comes; made in every process but the master."""

    def __init__(self, environment: Any, folder: Path, *, ship: bool) -> None:
        """ship: send the samples to the master over Locust's link, because it cannot read this folder."""
        self._environment, self._folder, self._ship = environment, folder, ship
        self.on_done: Callable[[], None] | None = None
        self._plan: LoadPlan | None = None
        self._recorder: Recorder | None = None
        self._driver: Driver | None = None
        self._ship_rest: Callable[[], None] | None = None
        self._place, self._broken, self._task_errors, self._cut_off, self._told = 0, "", 0, 0, False
        self._notes: list[str] = []
        self._began = (0.0, 0.0)
        gc.collect()
        gc.freeze()  # what Locust and the profile have imported is never looked through again: shorter pauses
        runner = environment.runner
        runner.register_message(START, self._on_start)
        runner.register_message(STOP, self._on_stop)
        environment.events.user_error.add_listener(self._on_user_error)
        environment.events.test_stop.add_listener(self._on_test_stop)
        if isinstance(runner, WorkerRunner):
            gevent.spawn(self._watch_master)

    def begin(self, order: dict[str, Any]) -> None:
        """Make everything ready and, in the open model, start sending at the run's zero."""
        environment, plan, place = self._environment, read_order(order["plan"]), int(order["place"])
        self._plan, self._place = plan, place
        environment.host = order["host"] or environment.host
        for kind in environment.user_classes:
            kind.host = environment.host or kind.host
        seed = plan.seed * 1000 + place
        seed_profile(seed)
        zero = time.perf_counter() + order["epoch"] - time.time()
        self._recorder = Recorder(
            self._folder, worker=place, workers=order["workers"], epoch=order["epoch"], zero=zero,
            arm_header=plan.arm_header, arms=_ARMS, on_full=self._full,
        )  # fmt: skip
        environment.events.request.add_listener(self._recorder.record)
        add_headers(
            environment.user_classes, plan.headers, trace_share=plan.trace_share, seed=seed, note=self._note,
            canary_choice=plan.canary_choice,
        )  # fmt: skip
        if self._ship:
            self._start_shipping()
        self._began = (time.process_time(), time.perf_counter())
        if plan.users is not None:
            self._watch_users()
        else:
            due = islice(due_times(plan.stages, plan.arrivals, plan.seed), place, None, order["workers"])
            self._driver = Driver(environment, self._recorder, plan, zero=zero, due=due, seed=seed)
            gevent.spawn(self._drive, self._driver)

    def _watch_users(self) -> None:
        """Count the closed model's users whose task Locust cuts off after the drain: what they had sent is no sample."""

        def watched(on_stop: Callable[[Any], None]) -> Callable[[Any], None]:
            def stop(user: Any) -> None:
                killed = isinstance(sys.exc_info()[1], GreenletExit)
                self._cut_off += killed and user._state != LOCUST_STATE_WAITING  # noqa: SLF001 - who waits has sent nothing
                on_stop(user)

            return stop

        for kind in self._environment.user_classes:
            kind.on_stop = watched(kind.on_stop)

    def _start_shipping(self) -> None:
        from harness.load.child.sample_upload import SampleUploader  # noqa: PLC0415 - numpy is not loaded for nothing

        runner = self._environment.runner
        shipper = SampleUploader(self._folder, self._place, lambda batch: runner.send_message(SAMPLES, batch))
        self._ship_rest = shipper.ship
        gevent.spawn(shipper.run)

    def _drive(self, driver: Driver) -> None:
        driver.run()
        self._tell()

    def _on_start(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        self.begin(msg.data)

    def _on_stop(self, environment: Any, msg: Any, **_: Any) -> None:  # noqa: ARG002 - Locust passes it by name
        if self._driver is not None:
            self._driver.stop()

    def _on_user_error(self, exception: Exception, tb: TracebackType | None, **_: Any) -> None:
        self._task_errors += 1
        if self._task_errors == 1:
            frames = traceback.extract_tb(tb)
            place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
            self._note(f"a task raised {type(exception).__name__}: {exception}{place}")
        if self._task_errors <= _MOST_TRACES:
            traceback.print_exception(type(exception), exception, tb)

    def _on_test_stop(self, **_: Any) -> None:
        """The closed model ends when Locust has stopped its users."""
        if self._plan is not None and self._plan.users is not None:
            self._tell()

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _full(self, error: OSError) -> None:
        self._broken = self._broken or f"samples could not be recorded: {error.strerror}"
        if self._driver is not None:
            self._driver.stop()
        else:
            gevent.spawn(self._environment.runner.quit)

    def _watch_master(self) -> None:
        """Ends this worker when nobody is there to end it: the master is gone, or says nothing after the run."""
        runner = self._environment.runner
        told_at = 0.0
        while True:
            gevent.sleep(0.5)
            heard, now = runner.last_heartbeat_timestamp, time.time()
            told_at = told_at or (now if self._told else 0.0)
            if heard and now - heard > MASTER_GONE_S and self._driver is not None and not self._told:
                self._note(f"nothing was heard of the master for {MASTER_GONE_S:g} s")
                self._driver.stop()
            if (heard and now - heard > MASTER_GONE_S and (self._told or self._driver is None)) or (
                told_at and now - told_at > _GOODBYE_S
            ):
                gevent.spawn(runner.quit)
                return

    def _tell(self) -> None:
        """Leave the facts in the folder and with the master; the samples are all there before."""
        if self._told or self._recorder is None:
            return
        self._told = True
        if self._ship_rest is not None:
            self._ship_rest()
        facts = self._facts(self._recorder)
        write_json(facts_file(self._folder, self._place), facts)
        self._environment.process_exit_code = 3 if self._broken else 0
        if self.on_done is not None:
            self.on_done()
        else:
            self._send_count()
            self._environment.runner.send_message(DONE, facts)

    def _send_count(self) -> None:
        """Locust's own count goes to the master before the news that all is done: at the end it waits half a second for it."""
        runner = self._environment.runner
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.client.send(cast(Any, Message)("stats", data, runner.client_id))

    def _facts(self, recorder: Recorder) -> dict[str, Any]:
        cpu_s, wall_s = time.process_time() - self._began[0], time.perf_counter() - self._began[1]
        driver = self._driver
        return {
            "place": self._place,
            "scheduled": driver.scheduled if driver else recorder.count,
            "recorded": recorder.count,
            "dropped": driver.dropped if driver else 0,
            "silent": driver.silent if driver else 0,
            "unanswered": driver.unanswered if driver else 0,
            "unfinished": driver.unfinished if driver else self._cut_off,
            "task_errors": self._task_errors,
            "users": len(driver.seats) if driver else 0,
            "cpu_share": cpu_s / wall_s,
            "broken": self._broken,
            "notes": [*self._notes, *(driver.notes if driver else [])],
        }
