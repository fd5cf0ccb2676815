"""Carry out one worker's part of a run: it sends its arrivals, records its samples and reports at the end.

Locust's environment is Any: its events have no annotations, and its runner is one of four classes.
"""

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
from locust import User
from locust.rpc import Message
from locust.runners import WorkerRunner
from locust.user.task import LOCUST_STATE_WAITING

from harness.load.child.answers import AnswerKeeper
from harness.load.child.bodies import BodyKeeper
from harness.load.child.driver import Driver
from harness.load.child.headers import add_headers
from harness.load.child.recorder import Recorder
from harness.load.child.trust import trust_entry
from harness.load.planning.schedule import due_times
from harness.load.protocol.child_spec import decode_spec
from harness.load.protocol.messages import DONE, SAMPLES, START, STOP, StartMessage, WorkerReport, write_json
from harness.load.protocol.sample_files import report_file
from harness.model.load import LoadPlan

MASTER_GONE_S = 8.0
"""A worker ends by itself when it has received no heartbeat from the master for this long."""
_ARMS = ("baseline", "canary")
_MOST_TRACES = 5
_EXIT_TIMEOUT_S = 15.0
"""How long a worker waits for the master to end it after it has sent its report."""


class LoadWorker:
    """Created in every process except the master. Starts working when the start message arrives."""

    def __init__(self, environment: Any, folder: Path, *, upload: bool) -> None:
        """upload: send the samples to the master over Locust's connection, because it cannot read this folder."""
        self._environment, self._folder, self._upload = environment, folder, upload
        self.on_done: Callable[[], None] | None = None
        self._plan: LoadPlan | None = None
        self._recorder: Recorder | None = None
        self._driver: Driver | None = None
        self._upload_rest: Callable[[], None] | None = None
        self._number, self._broken, self._task_errors, self._cut_off, self._reported = 0, "", 0, 0, False
        self._notes: list[str] = []
        self._began = (0.0, 0.0)
        gc.collect()
        gc.freeze()  # keeps the collector from scanning what Locust and the profile have imported: shorter pauses
        runner = environment.runner
        runner.register_message(START, self._on_start)
        runner.register_message(STOP, self._on_stop)
        environment.events.user_error.add_listener(self._on_user_error)
        environment.events.test_stop.add_listener(self._on_test_stop)
        if isinstance(runner, WorkerRunner):
            gevent.spawn(self._watch_master)

    def begin(self, message: StartMessage) -> None:
        """Prepare the recorder and the users and, in the open model, start sending at the run's time zero."""
        environment, plan, worker = self._environment, decode_spec(message["plan"]), message["worker"]
        self._plan, self._number = plan, worker
        environment.host = message["host"] or environment.host
        for kind in environment.user_classes:
            kind.host = environment.host or kind.host
        seed = plan.seed * 1000 + worker
        seed_profile(seed)
        zero = time.perf_counter() + message["epoch"] - time.time()
        self._recorder = Recorder(
            self._folder, worker=worker, workers=message["workers"], epoch=message["epoch"], zero=zero,
            arm_header=plan.arm_header, arms=_ARMS, on_full=self._on_full_disk,
        )  # fmt: skip
        environment.events.request.add_listener(self._recorder.record)
        if plan.body_bytes or plan.answer_bytes:
            self._keep_bodies(plan)
        add_headers(
            environment.user_classes, plan.headers, trace_share=plan.trace_share, seed=seed, note=self._note,
            canary_choice=plan.canary_choice,
        )  # fmt: skip
        if plan.ca_file is not None:
            trust_entry(environment.user_classes, plan.url, plan.ca_file, self._note)
        if self._upload:
            self._start_upload()
        self._began = (time.process_time(), time.perf_counter())
        if plan.users is not None:
            self._count_interrupted_users()
        else:
            due = islice(due_times(plan.stages, plan.arrivals, plan.seed), worker, None, message["workers"])
            self._driver = Driver(environment, self._recorder, plan, zero=zero, due=due, seed=seed)
            gevent.spawn(self._drive, self._driver)

    def _keep_bodies(self, plan: LoadPlan) -> None:
        if self._upload:
            self._note("bodies of answers are kept only where the load generator runs on the harness's machine")
            return
        listeners, arm_header = self._environment.events.request, plan.arm_header
        if plan.body_bytes:
            failed = BodyKeeper(
                self._folder, worker=self._number, keep_bytes=plan.body_bytes, arm_header=arm_header, arms=_ARMS
            )
            listeners.add_listener(failed.keep)
        if plan.answer_bytes:
            answers = AnswerKeeper(
                self._folder, worker=self._number, service=plan.answers_of, most_bytes=plan.answer_bytes,
                arm_header=arm_header,
            )  # fmt: skip
            listeners.add_listener(answers.keep)

    def _count_interrupted_users(self) -> None:
        """Count the closed model's users whose task Locust kills after the drain; their last request has no sample."""

        def wrap(on_stop: Callable[[User], None]) -> Callable[[User], None]:
            def stop(user: User) -> None:
                killed = isinstance(sys.exc_info()[1], GreenletExit)
                # A user that is waiting for its next task has no request in flight.
                self._cut_off += killed and user._state != LOCUST_STATE_WAITING  # noqa: SLF001 - Locust has no getter
                on_stop(user)

            return stop

        for kind in self._environment.user_classes:
            kind.on_stop = wrap(kind.on_stop)

    def _start_upload(self) -> None:
        from harness.load.child.sample_upload import SampleUploader  # noqa: PLC0415 - load numpy only if it is needed

        runner = self._environment.runner
        uploader = SampleUploader(self._folder, self._number, lambda batch: runner.send_message(SAMPLES, batch))
        self._upload_rest = uploader.upload
        gevent.spawn(uploader.run)

    def _drive(self, driver: Driver) -> None:
        driver.run()
        self._report_end()

    def _on_start(
        self,
        environment: object,  # noqa: ARG002 - Locust passes it by name
        msg: Message,
        **_: object,
    ) -> None:
        self.begin(msg.data)

    def _on_stop(
        self,
        environment: object,  # noqa: ARG002 - Locust passes it by name
        msg: Message,  # noqa: ARG002
        **_: object,
    ) -> None:
        if self._driver is not None:
            self._driver.stop()

    def _on_user_error(self, exception: Exception, tb: TracebackType | None, **_: object) -> None:
        self._task_errors += 1
        if self._task_errors == 1:
            frames = traceback.extract_tb(tb)
            place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
            self._note(f"a task raised {type(exception).__name__}: {exception}{place}")
        if self._task_errors <= _MOST_TRACES:
            traceback.print_exception(type(exception), exception, tb)

    def _on_test_stop(self, **_: object) -> None:
        """Report the end of the closed model, which ends once Locust has stopped its users."""
        if self._plan is not None and self._plan.users is not None:
            self._report_end()

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _on_full_disk(self, error: OSError) -> None:
        self._broken = self._broken or f"samples could not be recorded: {error.strerror}"
        if self._driver is not None:
            self._driver.stop()
        else:
            gevent.spawn(self._environment.runner.quit)

    def _watch_master(self) -> None:
        """End this worker when the master is gone, or does not end the worker after the run."""
        runner = self._environment.runner
        reported_at = 0.0
        while True:
            gevent.sleep(0.5)
            heard, now = runner.last_heartbeat_timestamp, time.time()
            reported_at = reported_at or (now if self._reported else 0.0)
            master_gone = bool(heard) and now - heard > MASTER_GONE_S
            if master_gone and self._driver is not None and not self._reported:
                self._note(f"the master sent no heartbeat for {MASTER_GONE_S:g} s")
                self._driver.stop()
            idle = self._reported or self._driver is None
            if (master_gone and idle) or (reported_at and now - reported_at > _EXIT_TIMEOUT_S):
                gevent.spawn(runner.quit)
                return

    def _report_end(self) -> None:
        """Write the report into the folder and send it to the master. All samples have been written before."""
        if self._reported or self._recorder is None:
            return
        self._reported = True
        if self._upload_rest is not None:
            self._upload_rest()
        report = self._report(self._recorder)
        write_json(report_file(self._folder, self._number), report)
        self._environment.process_exit_code = 3 if self._broken else 0
        if self.on_done is not None:
            self.on_done()
        else:
            self._send_count()
            self._environment.runner.send_message(DONE, report)

    def _send_count(self) -> None:
        """Send Locust's own count before ``DONE``: after DONE, the master waits only half a second for it."""
        runner = self._environment.runner
        data: dict[str, object] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.client.send(cast(Any, Message)("stats", data, runner.client_id))

    def _report(self, recorder: Recorder) -> WorkerReport:
        cpu_s, wall_s = time.process_time() - self._began[0], time.perf_counter() - self._began[1]
        driver = self._driver
        return {
            "worker": self._number,
            "scheduled": driver.scheduled if driver else recorder.count,
            "recorded": recorder.count,
            "dropped": driver.dropped if driver else 0,
            "silent": driver.silent if driver else 0,
            "unanswered": driver.unanswered if driver else 0,
            "unfinished": driver.unfinished if driver else self._cut_off,
            "task_errors": self._task_errors,
            "users": len(driver.slots) if driver else 0,
            "cpu_share": cpu_s / wall_s,
            "broken": self._broken,
            "notes": [*self._notes, *(driver.notes if driver else [])],
        }
