"""Load from inside a cluster: makes the Jobs, reads the master's files while they run, removes everything.

The harness reaches the master pod through the API server's port-forward; nothing is exposed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterError, HarnessError, LoadError
from harness.load.parent.jobs import FILES_PORT, MANAGED, RUN_LABEL, JobSettings, render_jobs
from harness.load.parent.locust import check_plan, new_folder
from harness.load.parent.remote import RemoteRun
from harness.model.json import Json
from harness.model.load import LoadPlan

START_LIMIT_S = 180.0
"""For pulling the image, scheduling the pods and starting Locust in all of them."""
_GONE_LIMIT_S = 60.0
_ASK_S = 10.0
_KINDS = ("Job", "Pod", "Service", "ConfigMap")


class ClusterLoad:
    """Sends load with Locust Jobs; see ``harness.load.port.Load``."""

    def __init__(self, kubernetes: Kubernetes, settings: JobSettings, *, start_limit_s: float = START_LIMIT_S) -> None:
        self._kubernetes, self._settings, self._start_limit_s = kubernetes, settings, start_limit_s

    @contextmanager
    def start(self, plan: LoadPlan, folder: Path) -> Iterator[RemoteRun]:
        """Make the Jobs and return when the first request is due; leaving removes everything that was made."""
        check_plan(plan)
        folder = new_folder(folder)
        name = f"harness-load-{secrets.token_hex(4)}"
        resources = render_jobs(plan, self._settings, name=name)
        try:
            for resource in resources:
                self._kubernetes.create(resource)
            pod = self._master_pod(name)
            run = RemoteRun(plan, folder, lambda path: self._ask(pod, path))
            run.wait_for_start(self._start_limit_s)
            yield run
        finally:
            remove_load(self._kubernetes, self._settings.namespace, name=name)

    def _ask(self, pod: str, path: str) -> bytes:
        return self._kubernetes.ask_pod(self._settings.namespace, pod, FILES_PORT, path, timeout_s=_ASK_S)

    def _master_pod(self, name: str) -> str:
        """The name of the master's pod, once it runs."""
        labels = {RUN_LABEL: name, "harness-load-part": "master"}
        give_up, seen = time.monotonic() + self._start_limit_s, "no pod"
        while time.monotonic() < give_up:
            for pod in self._kubernetes.list("Pod", self._settings.namespace, labels=labels):
                status = pod.get("status", {})
                seen = f"{pod['metadata']['name']} is {status.get('phase', 'unknown')}"
                if status.get("phase") == "Running" and self._answers(pod["metadata"]["name"]):
                    return str(pod["metadata"]["name"])
                if status.get("phase") == "Failed":
                    raise LoadError(f"the load generator's master failed to start: {seen}: {status.get('message', '')}")
            time.sleep(0.5)
        raise LoadError(
            f"expected a running master of the load within {self._start_limit_s:g} s, found: {seen}; "
            f"kubectl -n {self._settings.namespace} describe pod -l {RUN_LABEL}={name} says why"
        )

    def _answers(self, pod: str) -> bool:
        try:
            self._ask(pod, "/state")
        except HarnessError:
            return False
        return True


def remove_load(kubernetes: Kubernetes, namespace: str, *, name: str | None = None) -> tuple[str, ...]:
    """Remove a run's objects, or those of all runs; returns what was found. Raises ClusterError when they stay."""
    labels = {**MANAGED, **({RUN_LABEL: name} if name else {})}
    found: list[str] = []
    give_up = time.monotonic() + _GONE_LIMIT_S
    while left := [each for kind in _KINDS for each in kubernetes.list(kind, namespace, labels=labels)]:
        for resource in left:
            what = f"{resource['kind']} {resource['metadata']['name']}"
            if what not in found:
                found.append(what)
                kubernetes.delete(_by_name(resource))
        if time.monotonic() > give_up:
            raise ClusterError(
                f"load generator: expected to be gone within {_GONE_LIMIT_S:g} s: {', '.join(map(_what, left))}; "
                f"kubectl -n {namespace} delete job,pod,service,configmap -l {RUN_LABEL}"
            )
        time.sleep(0.2)
    return tuple(found)


def _by_name(resource: Json) -> Json:
    """Without the version that was read: pods change all the time."""
    metadata = resource["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
    return {"apiVersion": resource["apiVersion"], "kind": resource["kind"], "metadata": kept}


def _what(resource: Json) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"
