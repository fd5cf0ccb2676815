"""Send load in the open model: each arrival of the schedule gets a user at its due time, however slow the service is.

One greenlet walks through the schedule. It gives each arrival to an idle *slot* (a greenlet with one user of the
profile, and therefore connections of its own), or to a new slot when none is idle. A slow service therefore causes more
concurrent requests, but never fewer requests. The slot that became idle last is used first, so that the run needs as
few users and connections as possible. Locust's environment is Any, because its events have no annotations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import gevent
from gevent import getcurrent
from gevent.event import Event
from gevent.hub import get_hub
from locust import User
from locust.exception import RescheduleTask, StopTest, StopUser

from harness.load.child.recorder import Recorder
from harness.load.child.tasks import TaskRunner
from harness.load.child.timer import Timer
from harness.load.protocol.sample_files import DROPPED, SCHEDULED
from harness.load.users.answers import RECORDED
from harness.model.load import LoadPlan

_BURST = 8
"""When the driver is behind schedule, it dispatches this many arrivals before it handles answers that have arrived. An
answer frees a user; a new user with a new connection would take more time than is left."""
_STOP_TIMEOUT_S = 5.0
"""How long users may take to stop."""


class UserSlot:
    """A greenlet that waits for arrivals and runs one task of its user for each of them."""

    def __init__(self, driver: Driver, kind: type[User], due: float) -> None:
        """due: due time of the first arrival, in seconds since time zero."""
        self.kind = kind
        self._driver = driver
        self._tasks: TaskRunner | None = None
        self.greenlet = gevent.spawn(self._run, due)

    def _run(self, due: float | None) -> None:
        driver, hub, pending, me = self._driver, get_hub(), self._driver.recorder.pending, getcurrent()
        while due is not None:
            pending[me] = (due, time.perf_counter() - driver.zero - due)
            self._guard(self._run_task)
            if pending.pop(me, None) is not None:
                driver.silent += 1
            driver.idle[self.kind].append(self)
            due = hub.switch()
        if self._tasks is not None:
            self._guard(self._tasks.stop)

    def _run_task(self) -> None:
        if self._tasks is None:
            tasks = TaskRunner(self.kind(self._driver.environment))
            tasks.start()
            self._tasks = tasks  # not set if the user could not start: the next arrival then tries a new user
        self._tasks.step()

    def _guard(self, step: Callable[[], None]) -> None:
        """Run code of the profile. Count and report every error that it raises, and keep the slot alive."""
        try:
            step()
        except RescheduleTask:
            pass
        except StopUser:
            tasks, self._tasks = self._tasks, None
            if tasks is not None and step != tasks.stop:
                self._guard(tasks.stop)
        except StopTest as stop:
            self._driver.stop(f"the profile stopped the test: {stop}")
        except Exception as error:  # noqa: BLE001 - a profile may raise anything
            if not getattr(error, RECORDED, False):  # otherwise it is a failed request, not a mistake of the profile
                self._driver.report_task_error(error)


class Driver:
    """Sends the arrivals of one worker."""

    def __init__(
        self, environment: Any, recorder: Recorder, plan: LoadPlan, *, zero: float, due: Iterable[float], seed: int
    ) -> None:
        """zero: time zero on the monotonic clock. due: this worker's arrivals in seconds since time zero, ascending."""
        self.environment, self.recorder, self.zero = environment, recorder, zero
        self.silent = self.scheduled = self.dropped = self.unanswered = self.unfinished = 0
        self.notes: list[str] = []
        self.slots: list[UserSlot] = []
        self._kinds = list(environment.user_classes)
        self._weights = [kind.weight or kind.fixed_count for kind in self._kinds]
        self.idle: dict[type[User], list[UserSlot]] = {kind: [] for kind in self._kinds}
        self._due, self._drain_s = due, plan.drain_s
        self._random = Random(seed)  # noqa: S311 - the choice of users needs no cryptographic randomness
        self._most_slots = plan.most_in_flight
        self._stop = Event()
        self._loop = get_hub().loop

    def run(self) -> None:
        """Send every arrival, wait for the answers, then stop the users."""
        timer, burst = Timer(), 0
        for due in self._due:
            if self._stop.is_set():
                break
            instant = self.zero + due
            if time.perf_counter() < instant:
                timer.sleep_until(instant)
                burst = 0
            elif (burst := burst + 1) % _BURST == 0:
                timer.run_ready_events()
            self._dispatch(due)
        self._drain()
        self._stop_idle_users()

    def stop(self, reason: str = "") -> None:
        """Send no more arrivals, but still wait for the requests in flight."""
        if reason:
            self.notes.append(reason)
        self._stop.set()

    def report_task_error(self, error: Exception) -> None:
        """Fire Locust's ``user_error`` event for an exception that a task raised."""
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)

    def _dispatch(self, due: float) -> None:
        self.scheduled += 1
        self.recorder.counters[SCHEDULED] = self.scheduled
        kind = self._kinds[0] if len(self._kinds) == 1 else self._random.choices(self._kinds, self._weights)[0]
        idle = self.idle[kind]
        if idle:
            self._loop.run_callback(idle.pop().greenlet.switch, due)
        elif len(self.slots) < self._most_slots:
            self.slots.append(UserSlot(self, kind, due))
        else:
            self.dropped += 1
            self.recorder.counters[DROPPED] = self.dropped

    def _drain(self) -> None:
        """Wait for the answers, then record every missing answer as a sample with status 0 and end its task."""
        deadline = time.perf_counter() + self._drain_s
        while (busy := self._busy()) and time.perf_counter() < deadline:
            gevent.sleep(0.01)
        now, text = time.perf_counter() - self.zero, f"no answer within {self._drain_s:g} s after the last request"
        waiting = [(greenlet, now - due - late) for greenlet, (due, late) in self.recorder.pending.items()]
        for greenlet, waited_s in waiting:
            self.recorder.record_unanswered(greenlet, waited_s, text)
        self.unanswered = len(waiting)
        self.unfinished = len(busy) - self.unanswered
        if self.unfinished:
            self.notes.append(f"{self.unfinished} users were still in the middle of a task at the end")
        gevent.killall([slot.greenlet for slot in busy], block=True, timeout=1)

    def _stop_idle_users(self) -> None:
        idle = [slot.greenlet for slots in self.idle.values() for slot in slots]
        for greenlet in idle:
            self._loop.run_callback(greenlet.switch, None)
        if left := len(idle) - len(gevent.joinall(idle, timeout=_STOP_TIMEOUT_S)):
            self.notes.append(f"{left} users were cut off because they had not stopped after {_STOP_TIMEOUT_S:g} s")

    def _busy(self) -> list[UserSlot]:
        idle = {slot for slots in self.idle.values() for slot in slots}
        return [slot for slot in self.slots if slot not in idle]
