"""What the guards of a run ask, and the load that they and the main thread look at together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.load.port import RunningLoad
from harness.mesh.port import Mesh
from harness.model.samples import Samples
from harness.runner.guard import breach, switched_off
from harness.runner.guards import Condition
from harness.runner.settings import Settings


class SharedLoad:
    """The load that is being sent, if any, for more than one thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: epoch seconds."""
        self._now, self._lock = now, threading.Lock()
        self._running: RunningLoad | None = None

    def begin(self, running: RunningLoad) -> None:
        """Load is being sent."""
        with self._lock:
            self._running = running

    def end(self) -> None:
        """Nobody but the caller looks at the load any more."""
        with self._lock:
            self._running = None

    def samples(self) -> tuple[Samples, float] | None:
        """Every sample so far and the seconds since the first due request; None while no load is sent."""
        with self._lock:
            if self._running is None:
                return None
            return self._running.samples(), self._now() - self._running.started_at


def conditions(settings: Settings, mesh: Mesh, load: SharedLoad) -> tuple[Condition, ...]:
    """The kill file, the mesh's own limits, the error ceiling, and whatever the settings add."""

    def mesh_holds() -> str:
        mesh.check()
        return ""

    def canary_answers() -> str:
        seen = load.samples()
        return "" if seen is None else breach(seen[0], elapsed_s=seen[1], error_ceiling=settings.error_ceiling)

    return (
        Condition(name="kill file", ask=lambda: switched_off(settings.kill_file)),
        Condition(name="mesh", ask=mesh_holds),
        Condition(name="error ceiling", ask=canary_answers),
        *settings.conditions,
    )
