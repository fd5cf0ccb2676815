"""The abort conditions of a run, and the load that their thread shares with the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import ArmDeath, WorkloadDeath
from harness.load.port import RunningLoad
from harness.mesh.port import Mesh
from harness.model.samples import ARMS, CANARY, Samples
from harness.model.units import format_percent
from harness.runner.guard_thread import AbortCondition
from harness.runner.settings import Settings

_WINDOW_S = 5.0
_ENOUGH = 50


class SharedLoad:
    """The load that is being sent, if any; safe to use from several threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: returns epoch seconds."""
        self._now, self._lock = now, threading.Lock()
        self._running: RunningLoad | None = None

    def begin(self, running: RunningLoad) -> None:
        """Share a load that is being sent."""
        with self._lock:
            self._running = running

    def end(self) -> None:
        """Stop sharing the load; afterwards only the caller uses it."""
        with self._lock:
            self._running = None

    def samples(self) -> tuple[Samples, float] | None:
        """Return every sample so far and the seconds since the first due request, or None while no load is sent."""
        with self._lock:
            if self._running is None:
                return None
            return self._running.samples(), self._now() - self._running.started_at


def conditions(settings: Settings, mesh: Mesh, load: SharedLoad) -> tuple[AbortCondition, ...]:
    """Return the conditions of a run: kill file, limits of the mesh, error ceiling, and those of the settings."""

    def mesh_holds() -> str:
        try:
            mesh.check()
        except WorkloadDeath as death:
            arm = arm_of(death.labels, settings)
            if arm is None:
                raise
            raise ArmDeath(arm, death) from death
        return ""

    def canary_answers() -> str:
        seen = load.samples()
        return "" if seen is None else breach(seen[0], elapsed_s=seen[1], error_ceiling=settings.error_ceiling)

    return (
        AbortCondition(name="kill file", ask=lambda: switched_off(settings.kill_file)),
        AbortCondition(name="mesh", ask=mesh_holds),
        AbortCondition(name="error ceiling", ask=canary_answers),
        *settings.conditions,
    )


def arm_of(labels: Mapping[str, str], settings: Settings) -> str | None:
    """Return the arm whose labels a workload carries, or None."""
    for arm, own in zip(ARMS, (settings.baseline, settings.canary), strict=True):
        if own and all(labels.get(key) == value for key, value in own.items()):
            return arm
    return None


def switched_off(kill_file: Path) -> str:
    """Return why the run must end now, or an empty string: the kill file exists."""
    return f"the kill switch {kill_file} is set" if kill_file.exists() else ""


def breach(samples: Samples, *, elapsed_s: float, error_ceiling: float) -> str:
    """Return why the run must end now, or an empty string.

    The ceiling applies to the share of failed canary requests among those due in the last five seconds, if there are
    at least 50. elapsed_s: seconds since the first due request. error_ceiling: a share in (0, 1].
    """
    recent = samples.where((samples.due_s > elapsed_s - _WINDOW_S) & (samples.arm == CANARY))
    if len(recent) < _ENOUGH:
        return ""
    share = float(recent.failed.mean())
    if share <= error_ceiling:
        return ""
    return (
        f"{format_percent(share)} of {len(recent)} canary requests failed within {_WINDOW_S:.0f} s; "
        f"the error ceiling is {format_percent(error_ceiling)}"
    )
