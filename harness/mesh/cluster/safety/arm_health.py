"""Detect that an arm died on a cluster: a container ended or was restarted, or only the other arm has ready pods."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.pod_logs import pod_log
from harness.errors import ClusterError, ClusterForbidden, WorkloadDeath
from harness.mesh.cluster.proof.proxies import PROXY
from harness.mesh.heartbeats import MISSES, Heartbeats
from harness.model.json import JsonObject, object_at, objects_at, text_at, texts_at, value_at
from harness.model.step import Action, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class _Death:
    """How a pod died.

    container: whose log explains it. previous: whether that container has been replaced. silent_s: for how long no pod
    of the arm had been ready.
    """

    how: str
    container: str
    previous: bool = False
    silent_s: float = 0.0


class ArmHealth:
    """Compares the pods of the two arms with their state at the first check."""

    def __init__(self, kube: Kubernetes, namespace: str, arms: Sequence[Mapping[str, str]]) -> None:
        """kube: reads the logs of containers that died. arms: the pod labels of the baseline and of the canary."""
        self._kube, self._namespace, self._arms = kube, namespace, tuple(arms)
        self._seen: tuple[dict[str, JsonObject], ...] = tuple({} for _ in self._arms)
        self._restarts: dict[tuple[str, str], int] = {}
        self._ended: set[tuple[str, str]] = set()
        self._began = False
        self._spared: set[int] = set()
        self._heartbeats = Heartbeats()

    def check(self, pods: Iterable[JsonObject], steps: Iterable[Step] = ()) -> None:
        """Raise WorkloadDeath for an arm that died since the first check.

        pods: those of the namespace. steps: that are live now. An arm whose pod or Deployment an action acts on dies on
        purpose, so it is left alone until one of its pods is ready again.
        """
        own = [[pod for pod in pods if _carries(pod, labels)] for labels in self._arms]
        for seen, found in zip(self._seen, own, strict=True):
            seen.update((text_at(pod, "metadata", "name"), pod) for pod in found)
        targets = [(step.act.target.kind, step.act.target.name) for step in steps if isinstance(step, Action)]
        self._spare(targets)
        for number, found in enumerate(own):
            for pod in found:
                death = self._new_death(pod)
                if death is not None and self._began and number not in self._spared:
                    raise self._death(number, pod, death)
        self._began = True
        if not targets:  # only now, because a restart that the fault caused may have been seen just now
            self._spared -= {number for number, found in enumerate(own) if any(map(_ready, found))}
        judged = [number for number in range(len(own)) if number not in self._spared]
        silent = self._heartbeats.silent((str(number), any(map(_ready, own[number]))) for number in judged)
        if silent:
            found = own[int(silent)]
            how = f"no pod was ready in {MISSES} checks while the other arm's were{_why_not_ready(found)}"
            raise self._death(
                int(silent),
                found[0] if found else None,
                _Death(how=how, container=_unready(found), silent_s=self._heartbeats.silent_s(silent)),
            )

    def _spare(self, targets: Sequence[tuple[str, str]]) -> None:
        """Leave the arms alone that actions act on. targets: kind and name of what they act on."""
        for number, seen in enumerate(self._seen):  # also pods that are gone, such as evicted ones
            if any(_is_of(pod, kind, name) for pod in seen.values() for kind, name in targets):
                self._spared.add(number)

    def _new_death(self, pod: JsonObject) -> _Death | None:
        """Return how a container of the pod died since the last check, and remember the state of all of them."""
        name, deaths = text_at(pod, "metadata", "name"), []
        for status in objects_at(pod, "status", "containerStatuses"):
            container = text_at(status, "name", default="")
            if container == PROXY:  # the death of a sidecar says nothing about the build
                continue
            key, restarts = (name, container), value_at(status, "restartCount")
            count = restarts if isinstance(restarts, int) else 0
            if count > self._restarts.get(key, 0 if self._began else count):
                ended = object_at(status, "lastState", "terminated")
                deaths.append(_Death(how=_restarted(container, ended), container=container, previous=True))
            elif (ended := object_at(status, "state", "terminated")) and key not in self._ended:
                self._ended.add(key)
                deaths.append(_Death(how=f"its container {container} ended: {_cause(ended)}", container=container))
            self._restarts[key] = count
        if text_at(pod, "status", "phase", default="") == "Failed" and (name, "") not in self._ended:
            self._ended.add((name, ""))
            reason, message = (text_at(pod, "status", key, default="") for key in ("reason", "message"))
            deaths.append(
                _Death(how=f"the pod failed: {' '.join((reason, message)).strip() or 'no reason'}", container="")
            )
        return deaths[0] if deaths else None

    def _death(self, number: int, pod: JsonObject | None, death: _Death) -> WorkloadDeath:
        name = "no pod" if pod is None else text_at(pod, "metadata", "name")
        log = "" if pod is None else self._log(name, death)
        return WorkloadDeath(name=name, labels=self._arms[number], how=death.how, log=log, silent_s=death.silent_s)

    def _log(self, pod: str, death: _Death) -> str:
        """Return the last log lines of the dead container, or why there are none and the command that shows them."""
        container = f" --container {shlex.quote(death.container)}" if death.container else ""
        look = f"logs {shlex.quote(pod)}{container}{' --previous' if death.previous else ''}"
        command = self._kube.commands.kubectl(look, self._namespace)
        try:
            lines = pod_log(self._kube, self._namespace, pod, container=death.container, previous=death.previous)
        except ClusterForbidden:
            return f"its log cannot be read here, because the right to get pods/log is missing; read it with: {command}"
        except ClusterError as error:
            return f"its log cannot be read here ({error}); read it with: {command}"
        return f"last lines of {command}:\n{lines}" if lines.strip() else f"it wrote nothing ({command})"


def _carries(pod: JsonObject, labels: Mapping[str, str]) -> bool:
    return bool(labels) and labels.items() <= texts_at(pod, "metadata", "labels").items()


def _is_of(pod: JsonObject, kind: str, name: str) -> bool:
    """Return whether a pod is the target of an action, or belongs to a Deployment that is.

    A ReplicaSet is called as its Deployment, with the hash of the template at the end.
    """
    if kind == "Pod":
        return text_at(pod, "metadata", "name") == name
    owners = [text_at(one, "name", default="") for one in objects_at(pod, "metadata", "ownerReferences")]
    template = texts_at(pod, "metadata", "labels").get("pod-template-hash", "")
    return kind == "Deployment" and (f"{name}-{template}" in owners or name in owners)


def _ready(pod: JsonObject) -> bool:
    """Whether a pod is ready; a pod that does not say so counts as ready."""
    conditions = objects_at(pod, "status", "conditions")
    return all(item.get("status") == "True" for item in conditions if item.get("type") == "Ready")


def _unready(pods: Sequence[JsonObject]) -> str:
    """Return the name of the first container that is not ready in the first of the pods, or an empty string."""
    statuses = objects_at(pods[0], "status", "containerStatuses") if pods else []
    return next((text_at(one, "name", default="") for one in statuses if one.get("ready") is False), "")


def _why_not_ready(pods: Sequence[JsonObject]) -> str:
    """Return what the first of the pods says about containers that wait, such as CrashLoopBackOff."""
    statuses = objects_at(pods[0], "status", "containerStatuses") if pods else []
    waiting = [text_at(one, "state", "waiting", "reason", default="") for one in statuses]
    said = ", ".join(dict.fromkeys(filter(None, waiting)))
    return f": {said}" if said else ""


def _restarted(container: str, ended: JsonObject) -> str:
    return f"its container {container} was restarted" + (f": {_cause(ended)}" if ended else "")


def _cause(ended: JsonObject) -> str:
    """Return reason, exit code and signal of a container that ended, where the API server tells them."""
    code, signal = value_at(ended, "exitCode"), value_at(ended, "signal")
    said = [text_at(ended, "reason", default="ended"), f"exit code {'unknown' if code is None else code}"]
    return ", ".join([*said, *([f"signal {signal}"] if signal else [])])
