"""The open model: every arrival of the schedule gets a user at its due time, whatever the service does.

One greenlet walks the schedule. Each arrival goes to an idle *seat* (a greenlet with a user of the
profile and therefore its own connections); when none is idle a new one is made. A slow service
thus makes more requests run at once, never fewer start. Seats are taken last in, first out, so that
as few users and connections as possible are in use.
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
from harness.load.child.tasks import TaskWalk
from harness.load.child.timer import Timer
from harness.load.protocol.sample_files import DROPPED, SCHEDULED
from harness.model.load import LoadPlan

_BURST = 8
"""Arrivals that are handed out at most before answers are looked at, when the schedule is behind: an answer
frees a user, and a new user with its new connection would cost more time than there is."""
_GOODBYE_S = 5.0
"""For what the users do when they stop."""


class Seat:
    """A greenlet that waits for arrivals and runs one task for each."""

    def __init__(self, driver: Driver, kind: type[User], due: float) -> None:
        """due: of the first arrival, seconds since zero."""
        self.kind = kind
        self._driver = driver
        self._walk: TaskWalk | None = None
        self.greenlet = gevent.spawn(self._run, due)

    def _run(self, due: float | None) -> None:
        driver, hub, pending, me = self._driver, get_hub(), self._driver.recorder.pending, getcurrent()
        while due is not None:
            pending[me] = (due, time.perf_counter() - driver.zero - due)
            self._guarded(self._task)
            if pending.pop(me, None) is not None:
                driver.silent += 1
            driver.idle[self.kind].append(self)
            due = hub.switch()
        if self._walk is not None:
            self._guarded(self._walk.stop)

    def _task(self) -> None:
        if self._walk is None:
            walk = TaskWalk(self.kind(self._driver.environment))
            walk.start()
            self._walk = walk  # a user that could not start is not kept: the next arrival tries a new one
        self._walk.step()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Run a piece of the profile: whatever it raises is counted and shown, and the seat lives on."""
        try:
            step()
        except RescheduleTask:
            pass
        except StopUser:
            walk, self._walk = self._walk, None
            if walk is not None and step != walk.stop:
                self._guarded(walk.stop)
        except StopTest as stop:
            self._driver.stop(f"the profile stopped the test: {stop}")
        except Exception as error:  # noqa: BLE001 - a profile may raise anything
            self._driver.task_raised(error)


class Driver:
    """Sends the arrivals of one worker."""

    def __init__(
        self, environment: Any, recorder: Recorder, plan: LoadPlan, *, zero: float, due: Iterable[float], seed: int
    ) -> None:
        """zero: of the run, on the monotonic clock. due: this worker's arrivals, seconds since zero, ascending."""
        self.environment, self.recorder, self.zero = environment, recorder, zero
        self.silent = self.scheduled = self.dropped = self.unanswered = self.unfinished = 0
        self.notes: list[str] = []
        self.seats: list[Seat] = []
        self._kinds = list(environment.user_classes)
        self._weights = [kind.weight or kind.fixed_count for kind in self._kinds]
        self.idle: dict[type[User], list[Seat]] = {kind: [] for kind in self._kinds}
        self._due, self._drain_s, self._random = due, plan.drain_s, Random(seed)  # noqa: S311 - no secret
        self._most_seats = plan.most_in_flight
        self._stop = Event()
        self._loop = get_hub().loop

    def run(self) -> None:
        """Send everything, wait for the answers, then let the users end."""
        timer, burst = Timer(), 0
        for due in self._due:
            if self._stop.is_set():
                break
            instant = self.zero + due
            if time.perf_counter() < instant:
                timer.sleep_until(instant)
                burst = 0
            elif (burst := burst + 1) % _BURST == 0:
                timer.breathe()
            self._hand_over(due)
        self._drain()

    def stop(self, reason: str = "") -> None:
        """Send no more arrivals; what is in flight is still waited for."""
        if reason:
            self.notes.append(reason)
        self._stop.set()

    def task_raised(self, error: Exception) -> None:
        """A task of the profile raised: Locust and our own part of the run are told."""
        self.environment.events.user_error.fire(user_instance=self, exception=error, tb=error.__traceback__)

    def _hand_over(self, due: float) -> None:
        self.scheduled += 1
        self.recorder.counters[SCHEDULED] = self.scheduled
        kind = self._kinds[0] if len(self._kinds) == 1 else self._random.choices(self._kinds, self._weights)[0]
        idle = self.idle[kind]
        if idle:
            self._loop.run_callback(idle.pop().greenlet.switch, due)
        elif len(self.seats) < self._most_seats:
            self.seats.append(Seat(self, kind, due))
        else:
            self.dropped += 1
            self.recorder.counters[DROPPED] = self.dropped

    def _drain(self) -> None:
        """Wait for the answers; what is still missing after the drain becomes a sample without an answer."""
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
        gevent.killall([seat.greenlet for seat in busy], block=True, timeout=1)
        rest = [seat.greenlet for seats in self.idle.values() for seat in seats]
        for greenlet in rest:
            self._loop.run_callback(greenlet.switch, None)
        if left := len(rest) - len(gevent.joinall(rest, timeout=_GOODBYE_S)):
            self.notes.append(f"{left} users were cut off while they stopped, after {_GOODBYE_S:g} s")

    def _busy(self) -> list[Seat]:
        idle = {seat for seats in self.idle.values() for seat in seats}
        return [seat for seat in self.seats if seat not in idle]
