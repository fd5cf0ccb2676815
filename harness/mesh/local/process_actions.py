"""Act on the processes of a local mesh: pause and resume, stop and start."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Protocol

import psutil

from harness.clients.processes.child import Process, wait_until
from harness.errors import MeshError, NotInForce, UsageError
from harness.model.config import Workload
from harness.model.json import JsonObject
from harness.model.step import PROCESS, Act, Action, Verb

VERBS = (Verb.PAUSE, Verb.RESUME, Verb.STOP, Verb.START, Verb.RESTART)
_WITHIN_S = 5.0


class Services(Protocol):
    """The processes that can be acted on."""

    @property
    def processes(self) -> Mapping[str, Process]:
        """The running processes, by workload."""
        ...

    @property
    def workloads(self) -> Sequence[Workload]:
        """The workloads that run or ran, each with its labels."""
        ...

    @property
    def silenced(self) -> set[str]:
        """Workloads that were stopped or paused on purpose: silence does not mean that they died."""
        ...

    def labels_of(self, name: str) -> Mapping[str, str]:
        """Return the pod labels of a workload."""
        ...

    def stop_one(self, name: str) -> None:
        """Kill the process of a workload on purpose, so that its end does not count as a death."""
        ...

    def start_one(self, name: str) -> None:
        """Start the process of a workload again, and wait until it is healthy."""
        ...


class ProcessActions:
    """Carries out actions on the processes of some services."""

    def __init__(self, services: Services | None, namespace: str) -> None:
        """services: those whose processes can be acted on; None if there are none. namespace: of the mesh."""
        self._services, self._namespace = services, namespace

    def resources(self) -> tuple[JsonObject, ...]:
        """Return the processes as objects; the uid is the process id with its start time.

        The spec of one that runs has its ``command``, ``folder`` and ``program``.
        """
        if self._services is None:
            return ()
        labels: dict[str, JsonObject] = {one.name: {**one.labels} for one in self._services.workloads}
        return tuple(
            {
                "kind": PROCESS,
                "metadata": {
                    "name": name,
                    "namespace": self._namespace,
                    "uid": _uid(process),
                    "labels": labels.get(name, {}),
                },
                **_spec(process),
            }
            for name, process in dict(self._services.processes).items()
        )

    def pids(self) -> dict[str, int]:
        """Return the process id of each workload that runs here."""
        return {name: one.pid for name, one in dict(self._services.processes).items()} if self._services else {}

    def require_possible(self, action: Action) -> None:
        """Raise UsageError, which names it, for a verb or a target that this mesh does not have."""
        for act in (action.act, *([] if action.undo is None else [action.undo])):
            if act.verb not in VERBS or act.target.kind != PROCESS:
                known = ", ".join(VERBS)
                raise UsageError(f"{act.label}: the local mesh does not support this; it takes {known} of a {PROCESS}")
        if action.undo is None:
            raise UsageError(f"{action.label}: nothing restarts a process here: expected an action with an undo")
        self._process(action.act)

    def carry_out(self, act: Act) -> str:
        """Carry out an act, and return what was seen.

        Raises MeshError if the target is gone, NotInForce if it does not react.
        """
        services = self._known()
        if act.verb is Verb.START:
            if act.target.name not in services.processes:
                services.start_one(act.target.name)
            return f"{act.target.name} runs and is healthy"
        process = self._process(act)
        if act.verb in {Verb.STOP, Verb.RESTART}:
            self._stop(act, process)
            if act.verb is Verb.STOP:
                return f"{act.target.name} has ended"
            services.start_one(act.target.name)
            return f"{act.target.name} runs again and is healthy"
        if not _is_alive(process):
            raise MeshError(f"{act.label}: expected a process that runs, it has ended")
        if act.verb is Verb.PAUSE:
            services.silenced.add(act.target.name)
        _signal(process, signal.SIGSTOP if act.verb is Verb.PAUSE else signal.SIGCONT)
        if not wait_until(lambda: _is_paused(process) is (act.verb is Verb.PAUSE), timeout_s=_WITHIN_S):
            raise NotInForce(f"{act.label}: expected it to take effect within {_WITHIN_S:g} s, it has not")
        if act.verb is Verb.RESUME:
            services.silenced.discard(act.target.name)
        return f"{act.target.name} is {'paused' if act.verb is Verb.PAUSE else 'running'}"

    def left(self, action: Action) -> str:
        """Return which part of an action is not reverted, or an empty string."""
        name = action.act.target.name
        process = self._known().processes.get(name)
        if process is None or not _is_alive(process):
            return f"{name} does not run"
        return f"{name} is still paused" if _is_paused(process) else ""

    def _stop(self, act: Act, process: Process) -> None:
        """Kill a process. Raises NotInForce if it still runs afterwards."""
        self._known().stop_one(act.target.name)
        if not wait_until(lambda: not _is_alive(process), timeout_s=_WITHIN_S):
            raise NotInForce(f"{act.label}: expected the process {process.pid} to have ended, it still runs")

    def _known(self) -> Services:
        if self._services is None:
            raise MeshError("expected processes to act on, found none: the services of this mesh run elsewhere")
        return self._services

    def _process(self, act: Act) -> Process:
        process = self._known().processes.get(act.target.name)
        if process is None:
            known = ", ".join(sorted(self._known().processes)) or "none"
            raise UsageError(f"{act.label}: expected a process of this mesh, found none of that name; known: {known}")
        if act.target.uid and act.target.uid != _uid(process):
            raise MeshError(f"{act.label}: expected process {act.target.uid}, found {_uid(process)}: it was restarted")
        return process


def _spec(process: Process) -> JsonObject:
    """Return what a process runs; nothing if it has ended, or if its user does not let us look."""
    try:
        seen = psutil.Process(process.pid)
        return {"spec": {"command": [*seen.cmdline()], "folder": seen.cwd(), "program": seen.exe()}}
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


def _uid(process: Process) -> str:
    try:
        return f"{process.pid}@{psutil.Process(process.pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return f"{process.pid}@ended"


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to the process and all that it started, which form a process group."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError) as error:
        raise MeshError(f"{process.name}: cannot be signalled: {error}") from error


def _is_alive(process: Process) -> bool:
    try:
        return psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_paused(process: Process) -> bool:
    try:
        return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False
