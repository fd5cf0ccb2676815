"""Runs one task of a user per call: what ``TaskSet.run`` does in a loop with waits, in single steps.

Waits between tasks are left out: in the open model arrivals decide when a task runs.
"""

from __future__ import annotations

import inspect
from typing import Any

from locust import TaskSet as UntypedTaskSet
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet

TaskSet: Any = UntypedTaskSet
"""Locust's, whose methods have no annotations."""
_MOST_STEPS = 100
"""Task sets entered or left within one arrival: more means the profile never comes to a task."""


class TaskWalk:
    """A user and the task sets it is in, innermost last."""

    def __init__(self, user: User) -> None:
        self._user: Any = user
        self._sets: list[Any] = []

    def start(self) -> None:
        """What happens once before the first task."""
        self._user._state = LOCUST_STATE_RUNNING  # noqa: SLF001 - as User.run does
        self._user._taskset_instance = DefaultTaskSet(self._user)  # noqa: SLF001
        self._sets = [self._user._taskset_instance]  # noqa: SLF001
        self._user.on_start()

    def step(self) -> None:
        """Run the next task. Raises what the task raises; StopUser when the user is done for good."""
        for _ in range(_MOST_STEPS):
            inner = self._sets[-1]
            try:
                if not inner._task_queue:  # noqa: SLF001
                    inner.schedule_task(inner.get_next_task())
                task = inner._task_queue.popleft()  # noqa: SLF001
                if inspect.isclass(task) and issubclass(task, TaskSet):
                    self._enter(task, inner)
                    continue
                inner.execute_task(task)
            except InterruptTaskSet as interrupt:
                if self._left_by(interrupt):
                    return
                continue
            except RescheduleTaskImmediately:
                continue
            except RescheduleTask:
                return
            return
        raise RecursionError(f"{type(self._user).__name__}: no task ran after {_MOST_STEPS} steps through task sets")

    def stop(self) -> None:
        """What happens once after the last task."""
        for inner in reversed(self._sets[1:]):
            inner.on_stop()
        self._user.on_stop()

    def _enter(self, kind: Any, inner: Any) -> None:
        parent = self._user if isinstance(inner, DefaultTaskSet) else inner
        entered = kind(parent)
        self._sets.append(entered)
        self._user._taskset_instance = entered  # noqa: SLF001
        entered.on_start()

    def _left_by(self, interrupt: InterruptTaskSet) -> bool:
        """Leave the innermost task set; whether this also ends the step."""
        if len(self._sets) == 1:
            raise StopUser from interrupt
        self._sets.pop().on_stop()
        self._user._taskset_instance = self._sets[-1]  # noqa: SLF001
        return not interrupt.reschedule
