"""Locust in a cluster as plain Jobs: the manifests, as a pure function.

A ConfigMap with profile and plan, a headless Service for the master, one Job for the master and one
for all workers. The master never gets a sidecar: nothing of it goes through the mesh, and a Job with a
classic sidecar would not end. Whether workers get one is the user's choice: with it they are
callers inside the mesh (mTLS, sourceLabels), without it they come from outside. Locust's own
link, port 5557, is kept out of the proxies.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors import LoadProfileError
from harness.load.child.pod import LINGER_S
from harness.load.protocol.child_spec import order_text
from harness.load.protocol.commands import WORKERS_WAIT_S
from harness.model.json import Json
from harness.model.load import LoadPlan

LINK_PORT, FILES_PORT = 5557, 8089
MANAGED = {"app.kubernetes.io/managed-by": "canary-harness", "app.kubernetes.io/component": "load"}
"""On every object: leftovers are found by it."""
RUN_LABEL = "canary-harness/load"
_MOST_BYTES = 1_000_000
_MOUNT, _FOLDER = "/etc/harness-load", "/run/harness-load"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Where and how Locust runs. image: one with this package; cpu and memory: requests of each pod, memory also its limit.

    in_mesh: workers get the mesh's sidecar. worker_labels: more labels of worker pods, for sourceLabels.
    """

    namespace: str
    image: str
    workers: int = 2
    in_mesh: bool = False
    cpu: str = "1"
    memory: str = "512Mi"
    service_account: str | None = None
    worker_labels: dict[str, str] = field(default_factory=dict)


def render_jobs(plan: LoadPlan, settings: JobSettings, *, name: str) -> tuple[Json, ...]:
    """The objects of one run, in the order in which they are made. name: of the run, a DNS label of at most 50 characters."""
    labels = {**MANAGED, RUN_LABEL: name}
    master = {**labels, "sidecar.istio.io/inject": "false", "harness-load-part": "master"}
    worker = {
        **labels,
        **settings.worker_labels,
        "sidecar.istio.io/inject": "true" if settings.in_mesh else "false",
        "harness-load-part": "worker",
    }
    host = f"{name}.{settings.namespace}.svc"
    return (
        _config_map(plan, settings.namespace, name, labels),
        _service(settings.namespace, name, labels, {RUN_LABEL: name, "harness-load-part": "master"}),
        _job(
            plan, settings, f"{name}-master", master, pods=1,
            words=["master", "--workers", str(settings.workers), "--bind", "0.0.0.0"],  # noqa: S104 - in a pod
        ),
        _job(
            plan, settings, f"{name}-worker", worker, pods=settings.workers, words=["worker", "--master", host],
            annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": str(LINK_PORT)},
        ),
    )  # fmt: skip


def _config_map(plan: LoadPlan, namespace: str, name: str, labels: dict[str, str]) -> Json:
    inside = replace(plan, profile=Path(_MOUNT) / _key(plan.profile))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": {**_files(plan.profile), "order.json": order_text(inside)},
    }


def _files(profile: Path) -> dict[str, str]:
    """The profile, and the shared code beside it that it may import."""
    shared = [path for path in sorted(profile.parent.glob("_*.py")) if path.is_file()]
    files = {_key(path): path.read_text(encoding="utf-8") for path in (*shared, profile)}
    size = sum(len(text.encode()) for text in files.values())
    if size > _MOST_BYTES:
        raise LoadProfileError(
            f"{profile}: expected at most {_MOST_BYTES} bytes of profile and shared code (_*.py) beside it, "
            f"all that a ConfigMap holds, found {size}: put the rest into the image"
        )
    return files


def _key(path: Path) -> str:
    """A file's name as a key of a ConfigMap."""
    return re.sub(r"[^-.\w]", "-", path.name, flags=re.ASCII)


def _service(namespace: str, name: str, labels: dict[str, str], selector: dict[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": "tcp-locust", "port": LINK_PORT, "targetPort": LINK_PORT, "protocol": "TCP"}],
        },
    }


def _job(
    plan: LoadPlan,
    settings: JobSettings,
    name: str,
    labels: dict[str, str],
    *,
    pods: int,
    words: list[str],
    annotations: dict[str, str] | None = None,
) -> Json:
    deadline_s = math.ceil(WORKERS_WAIT_S + plan.duration_s + plan.drain_s + LINGER_S)
    run = labels[RUN_LABEL]
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 10,
        "containers": [_container(plan, settings, words)],
        "volumes": [{"name": "load", "configMap": {"name": run}}, {"name": "run", "emptyDir": {}}],
    }
    if settings.service_account:
        pod["serviceAccountName"] = settings.service_account
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": settings.namespace, "labels": {**MANAGED, RUN_LABEL: run}},
        "spec": {
            "parallelism": pods,
            "completions": pods,
            "backoffLimit": 0,
            "activeDeadlineSeconds": deadline_s,
            "ttlSecondsAfterFinished": 3600,
            "template": {"metadata": {"labels": labels, "annotations": annotations or {}}, "spec": pod},
        },
    }


def _container(plan: LoadPlan, settings: JobSettings, words: list[str]) -> Json:
    files = ["--order", f"{_MOUNT}/order.json", "--profile", f"{_MOUNT}/{_key(plan.profile)}", "--folder", _FOLDER]
    return {
        "name": "locust",
        "image": settings.image,
        "command": ["python", "-m", "harness.load.child.pod", *words, *files],
        "ports": [{"containerPort": LINK_PORT}, {"containerPort": FILES_PORT}] if words[0] == "master" else [],
        "resources": {
            "requests": {"cpu": settings.cpu, "memory": settings.memory},
            "limits": {"memory": settings.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "load", "mountPath": _MOUNT, "readOnly": True},
            {"name": "run", "mountPath": _FOLDER},
        ],
    }


def describe(resources: tuple[Json, ...]) -> str:
    """The objects as one JSON list that kubectl applies."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(resources)}, indent=1)
