"""Count restarts of containers during a run: they show that it does more harm than intended.

Restarts of pods whose limits the run lowers are intended, also those that come after the limits are as before.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.clients.kubernetes.commands import Commands
from harness.clients.kubernetes.types import Pod
from harness.errors import MeshGuard
from harness.model.step import Action, Step, Verb


class Restarts:
    """Counts restarts in a namespace since the first check."""

    def __init__(self, commands: Commands, namespace: str, *, ceiling: int) -> None:
        """commands: for messages. ceiling: how many restarts are tolerated."""
        self._commands, self._namespace, self._ceiling = commands, namespace, ceiling
        self._first: dict[str, int] | None = None
        self._squeezed: set[str] = set()

    def check(self, pods: Iterable[Pod], steps: Iterable[Step] = ()) -> None:
        """Raise MeshGuard if containers were restarted more often than that.

        pods: those of the namespace. steps: that are live now.
        """
        resizes = (step.act for step in steps if isinstance(step, Action) and step.act.verb is Verb.RESIZE)
        self._squeezed |= {act.target.name for act in resizes}
        now = _counts(pods)
        if self._first is None:
            self._first = now
        more = {
            pod: count - self._first.get(pod, 0)
            for pod, count in now.items()
            if count > self._first.get(pod, 0) and pod not in self._squeezed
        }
        if sum(more.values()) > self._ceiling:
            found = ", ".join(f"{pod} {count} times" for pod, count in sorted(more.items()))
            look = self._commands.kubectl(f"logs --previous {next(iter(sorted(more)))}", self._namespace)
            raise MeshGuard(
                f"namespace {self._namespace}: expected at most {self._ceiling} restarts of containers during the run "
                f"(cluster.limits.restarts), found {found}; see {look}"
            )


def _counts(pods: Iterable[Pod]) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: sum(
            status.get("restartCount", 0) for status in (pod.get("status") or {}).get("containerStatuses") or ()
        )
        for pod in pods
    }
