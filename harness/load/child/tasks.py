"""Run a user's tasks one call at a time: the steps that ``TaskSet.run`` executes in a loop, without the waits.

In the open model, arrivals decide when a task runs, so there is no wait between tasks.
"""

from __future__ import annotations

import inspect
from typing import Any

from locust import TaskSet as UntypedTaskSet
from locust import User
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet

TaskSet: Any = UntypedTaskSet
"""Locust's class; its methods have no annotations, so task sets and their user are Any here."""
_MOST_STEPS = 100
"""How many task sets one arrival may enter or leave. A profile that exceeds this never reaches a task."""


class TaskRunner:
    """Runs the tasks of one user and keeps the stack of task sets that the user is in, innermost last."""

    def __init__(self, user: User) -> None:
        self._user: Any = user
        self._sets: list[Any] = []

    def start(self) -> None:
        """Prepare the user and call its ``on_start``. Call this once, before the first task."""
        self._user._state = LOCUST_STATE_RUNNING  # noqa: SLF001 - as User.run does
        self._user._taskset_instance = DefaultTaskSet(self._user)  # noqa: SLF001
        self._sets = [self._user._taskset_instance]  # noqa: SLF001
        self._user.on_start()

    def step(self) -> None:
        """Run the next task. Raises what the task raises, and StopUser when the user has finished for good."""
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
                if self._leave(interrupt):
                    return
                continue
            except RescheduleTaskImmediately:
                continue
            except RescheduleTask:
                return
            return
        raise RecursionError(f"{type(self._user).__name__}: no task ran after {_MOST_STEPS} steps through task sets")

    def stop(self) -> None:
        """Call ``on_stop`` of the task sets and of the user. Call this once, after the last task."""
        for inner in reversed(self._sets[1:]):
            inner.on_stop()
        self._user.on_stop()

    def _enter(self, kind: Any, inner: Any) -> None:
        parent = self._user if isinstance(inner, DefaultTaskSet) else inner
        entered = kind(parent)
        self._sets.append(entered)
        self._user._taskset_instance = entered  # noqa: SLF001
        entered.on_start()

    def _leave(self, interrupt: InterruptTaskSet) -> bool:
        """Leave the innermost task set. Returns whether this ends the current step."""
        if len(self._sets) == 1:
            raise StopUser from interrupt
        self._sets.pop().on_stop()
        self._user._taskset_instance = self._sets[-1]  # noqa: SLF001
        return not interrupt.reschedule
