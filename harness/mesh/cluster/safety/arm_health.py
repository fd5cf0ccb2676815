"""Detect that an arm died on a cluster: a container restarted, or only the other arm still has ready pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.clients.kubernetes.types import ContainerStatus, Pod, labels_of
from harness.errors import WorkloadDeath
from harness.mesh.heartbeats import MISSES, Heartbeats


class ArmHealth:
    """Compares the pods of the two arms with their state at the first check."""

    def __init__(self, namespace: str, arms: Sequence[Mapping[str, str]]) -> None:
        """arms: the pod labels of the baseline and of the canary; none: nothing is checked."""
        self._namespace, self._arms = namespace, tuple(arms)
        self._first: dict[str, int] | None = None
        self._heartbeats = Heartbeats()

    def check(self, pods: Sequence[Pod]) -> None:
        """Raise WorkloadDeath for an arm that died since the first check. pods: those of the namespace."""
        own = [(labels, [pod for pod in pods if _carries(pod, labels)]) for labels in self._arms]
        restarts = {pod["metadata"]["name"]: _restarts(pod) for _, found in own for pod in found}
        if self._first is None:
            self._first = restarts
        for labels, found in own:
            for pod in found:
                name = pod["metadata"]["name"]
                if restarts[name] > self._first.setdefault(name, restarts[name]):
                    raise self._death(name, labels, _how(pod))
        silent = self._heartbeats.silent(
            (str(number), any(map(_ready, found))) for number, (_, found) in enumerate(own)
        )
        if silent:
            labels, found = own[int(silent)]
            name = found[0]["metadata"]["name"] if found else "no pod"
            raise self._death(name, labels, f"no pod was ready in {MISSES} checks while the other arm's were")

    def _death(self, name: str, labels: Mapping[str, str], how: str) -> WorkloadDeath:
        log = f"its last log: kubectl logs {name} --previous --namespace {self._namespace}"
        return WorkloadDeath(name=name, labels=labels, how=how, log=log)


def _carries(pod: Pod, labels: Mapping[str, str]) -> bool:
    found = labels_of(pod["metadata"])
    return bool(labels) and all(found.get(key) == value for key, value in labels.items())


def _statuses(pod: Pod) -> list[ContainerStatus]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _restarts(pod: Pod) -> int:
    return sum(status.get("restartCount", 0) for status in _statuses(pod))


def _ready(pod: Pod) -> bool:
    """Whether a pod is ready; a pod that does not say so counts as ready."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return all(item.get("status") == "True" for item in conditions if item.get("type") == "Ready")


def _how(pod: Pod) -> str:
    """How the last container ended: its reason and exit code, where the API server tells them."""
    for status in _statuses(pod):
        ended = (status.get("lastState") or {}).get("terminated")
        if ended:
            reason, code = ended.get("reason", "ended"), ended.get("exitCode", "unknown")
            return f"its container {status.get('name')} was restarted: {reason}, exit code {code}"
    return "a container of it was restarted"
