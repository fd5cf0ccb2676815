"""Send load from inside a cluster: create the Jobs, read the master's files while they run, then remove everything.

The harness reaches the master pod through the API server's port-forward, so no port is exposed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import as_pod
from harness.errors import ClusterError, HarnessError, LoadError
from harness.load.parent.jobs import FILES_PORT, MANAGED, ROLE_LABEL, RUN_LABEL, JobSettings, owned, render_jobs
from harness.load.parent.locust import check_plan, new_folder
from harness.load.parent.remote import RemoteRun
from harness.model.json import JsonObject, text_at
from harness.model.load import LoadPlan

START_LIMIT_S = 180.0
"""Time to pull the image, schedule the pods and start Locust in all of them."""
_REMOVE_LIMIT_S = 60.0
_REQUEST_LIMIT_S = 10.0
_KINDS = ("Job", "Pod", "Service", "ConfigMap")
_SECRET = "Secret"  # noqa: S105 - a kind, no password


class ClusterLoad:
    """Sends load with Locust Jobs; see ``harness.load.port.Load``."""

    def __init__(self, kubernetes: Kubernetes, settings: JobSettings, *, start_limit_s: float = START_LIMIT_S) -> None:
        self._kubernetes, self._settings, self._start_limit_s = kubernetes, settings, start_limit_s

    @contextmanager
    def start(self, plan: LoadPlan, folder: Path) -> Iterator[RemoteRun]:
        """Create the Jobs and yield once the first request is due. On exit, remove every object that was created."""
        check_plan(plan)
        folder = new_folder(folder)
        name = f"harness-load-{secrets.token_hex(4)}"
        resources = render_jobs(plan, self._settings, name=name)
        try:
            self._create(resources)
            pod = self._master_pod(name)
            run = RemoteRun(plan, folder, lambda path: self._get(pod, path))
            run.wait_for_start(self._start_limit_s)
            yield run
        finally:
            remove_load(self._kubernetes, self._settings.namespace, name=name)

    def _create(self, resources: Sequence[JsonObject]) -> None:
        """Create the objects. The Secret belongs to the master's Job, so that it is removed with it in any case."""
        master: JsonObject | None = None
        for resource in resources:
            if resource["kind"] == _SECRET and master is not None:
                self._kubernetes.create(owned(resource, master))
                continue
            written = self._kubernetes.create(resource)
            if resource["kind"] == "Job" and master is None:
                master = written.resource

    def _get(self, pod: str, path: str) -> bytes:
        return self._kubernetes.ask_pod(self._settings.namespace, pod, FILES_PORT, path, timeout_s=_REQUEST_LIMIT_S)

    def _master_pod(self, name: str) -> str:
        """Wait until the master's pod runs and return its name."""
        labels = {RUN_LABEL: name, ROLE_LABEL: "master"}
        give_up, seen = time.monotonic() + self._start_limit_s, "no pod"
        while time.monotonic() < give_up:
            for pod in map(as_pod, self._kubernetes.list("Pod", self._settings.namespace, labels=labels)):
                pod_name, status = pod["metadata"]["name"], pod.get("status") or {}
                seen = f"{pod_name} is {status.get('phase', 'unknown')}"
                if status.get("phase") == "Running" and self._answers(pod_name):
                    return pod_name
                if status.get("phase") == "Failed":
                    raise LoadError(f"the load generator's master failed to start: {seen}: {status.get('message', '')}")
            time.sleep(0.5)
        raise LoadError(
            f"expected the load generator's master to run within {self._start_limit_s:g} s, found: {seen}; "
            f"for the reason, run kubectl -n {self._settings.namespace} describe pod -l {RUN_LABEL}={name}"
        )

    def _answers(self, pod: str) -> bool:
        try:
            self._get(pod, "/state")
        except HarnessError:
            return False
        return True


def remove_load(kubernetes: Kubernetes, namespace: str, *, name: str | None = None) -> tuple[str, ...]:
    """Remove the objects of one run, or of all runs. Returns what was found. Raises ClusterError if any remain.

    Secrets are never listed, because who may list them may read all of them: they are called as their runs.
    """
    labels = {**MANAGED, **({RUN_LABEL: name} if name else {})}
    found: list[str] = []
    if name is not None:
        _remove_secret(kubernetes, namespace, name)
    give_up = time.monotonic() + _REMOVE_LIMIT_S
    while left := [each for kind in _KINDS for each in kubernetes.list(kind, namespace, labels=labels)]:
        for resource in left:
            if (label := _label(resource)) not in found:
                found.append(label)
                if resource["kind"] == "ConfigMap":
                    _remove_secret(kubernetes, namespace, text_at(resource, "metadata", "name"))
                kubernetes.delete(_without_version(resource))
        if time.monotonic() > give_up:
            raise ClusterError(
                f"expected the load generator's objects to be removed within {_REMOVE_LIMIT_S:g} s, found "
                f"{', '.join(map(_label, left))}; "
                f"run kubectl -n {namespace} delete job,pod,service,configmap,secret -l {RUN_LABEL}"
            )
        time.sleep(0.2)
    return tuple(found)


def _remove_secret(kubernetes: Kubernetes, namespace: str, name: str) -> None:
    """Remove the Secret of a run; nothing happens if there is none."""
    kubernetes.delete({"apiVersion": "v1", "kind": _SECRET, "metadata": {"name": name, "namespace": namespace}})


def _without_version(resource: JsonObject) -> JsonObject:
    """Identify an object without its resourceVersion, because pods change all the time."""
    metadata = cast(JsonObject, resource["metadata"])
    kept: JsonObject = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
    return {"apiVersion": resource["apiVersion"], "kind": resource["kind"], "metadata": kept}


def _label(resource: JsonObject) -> str:
    metadata = cast(JsonObject, resource["metadata"])
    return f"{resource['kind']} {metadata['name']}"
