"""Build the manifests that run Locust in a cluster as plain Jobs. A pure function.

They are a ConfigMap with the profile, a Secret with the plan, whose headers and URL may hold credentials, a headless
Service for the master, one Job for the master and one for all workers. The master never gets a sidecar: none of its
traffic passes through the mesh, and a Job with a classic sidecar would not end. The user decides whether workers get
one: with a sidecar they are callers inside the mesh (mTLS, sourceLabels), without it they are callers from outside.
Locust's own connection, port 5557, bypasses the proxies.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import LoadProfileError
from harness.load.child.pod import LINGER_S
from harness.load.protocol.child_spec import SPEC_FILE, encode_spec
from harness.load.protocol.commands import WORKERS_WAIT_S
from harness.model.json import JsonObject, JsonValue, object_at
from harness.model.load import LoadPlan

LOCUST_PORT, FILES_PORT = 5557, 8089
MANAGED = {"app.kubernetes.io/managed-by": "canary-harness", "app.kubernetes.io/component": "load"}
"""Labels of every object. They identify the objects that earlier runs left behind."""
RUN_LABEL, ROLE_LABEL = "canary-harness/load", "harness-load-part"
_MOST_BYTES = 1_000_000
_MOUNT, _PLAN_MOUNT, _FOLDER = "/etc/harness-load", "/etc/harness-plan", "/run/harness-load"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Where and how Locust runs.

    image: an image that contains this package. cpu, memory: resource requests of each pod; memory is also its limit.
    in_mesh: give workers the mesh's sidecar. worker_labels: additional labels of the worker pods, for sourceLabels.
    """

    namespace: str
    image: str
    workers: int = 2
    in_mesh: bool = False
    cpu: str = "1"
    memory: str = "512Mi"
    service_account: str | None = None
    worker_labels: JsonObject = field(default_factory=dict)


def render_jobs(plan: LoadPlan, settings: JobSettings, *, name: str) -> tuple[JsonObject, ...]:
    """Return the objects of one run in the order in which to create them.

    name: the run's name, a DNS label of at most 50 characters.
    """
    labels: JsonObject = {**MANAGED, RUN_LABEL: name}
    master: JsonObject = {**labels, "sidecar.istio.io/inject": "false", ROLE_LABEL: "master"}
    worker: JsonObject = {
        **labels,
        **settings.worker_labels,
        "sidecar.istio.io/inject": "true" if settings.in_mesh else "false",
        ROLE_LABEL: "worker",
    }
    host = f"{name}.{settings.namespace}.svc"
    return (
        _config_map(plan, settings.namespace, name, labels),
        _service(settings.namespace, name, labels, {RUN_LABEL: name, ROLE_LABEL: "master"}),
        _job(
            plan, settings, f"{name}-master", master, pods=1,
            words=["master", "--workers", str(settings.workers), "--bind", "0.0.0.0"],  # noqa: S104 - inside a pod
        ),
        _secret(plan, settings.namespace, name, labels),
        _job(
            plan, settings, f"{name}-worker", worker, pods=settings.workers, words=["worker", "--master", host],
            annotations={"traffic.sidecar.istio.io/excludeOutboundPorts": str(LOCUST_PORT)},
        ),
    )  # fmt: skip


def _config_map(plan: LoadPlan, namespace: str, name: str, labels: JsonObject) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": _files(plan.profile),
    }


def _secret(plan: LoadPlan, namespace: str, name: str, labels: JsonObject) -> JsonObject:
    inside = replace(plan, profile=Path(_MOUNT) / _key(plan.profile))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "type": "Opaque",
        "stringData": {SPEC_FILE: encode_spec(inside)},
    }


def owned(resource: JsonObject, owner: JsonObject) -> JsonObject:
    """Return the resource with a created object as its owner, so that the cluster removes it with that object."""
    identity = object_at(owner, "metadata")
    reference: JsonObject = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": identity["name"],
        "uid": identity["uid"],
    }
    return {**resource, "metadata": {**object_at(resource, "metadata"), "ownerReferences": [reference]}}


def _files(profile: Path) -> dict[str, JsonValue]:
    """Return the text of the profile and of the shared code next to it, which it may import, by ConfigMap key."""
    shared = [path for path in sorted(profile.parent.glob("_*.py")) if path.is_file()]
    texts = {_key(path): path.read_text(encoding="utf-8") for path in (*shared, profile)}
    size = sum(len(text.encode()) for text in texts.values())
    if size > _MOST_BYTES:
        raise LoadProfileError(
            f"{profile}: expected at most {_MOST_BYTES} bytes of profile and shared code (_*.py) next to it, "
            f"the limit of a ConfigMap, found {size}: put the rest into the image"
        )
    return dict(texts)


def _key(path: Path) -> str:
    """Return a file's name as a key of a ConfigMap."""
    return re.sub(r"[^-.\w]", "-", path.name, flags=re.ASCII)


def _service(namespace: str, name: str, labels: JsonObject, selector: JsonObject) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": "tcp-locust", "port": LOCUST_PORT, "targetPort": LOCUST_PORT, "protocol": "TCP"}],
        },
    }


def _job(
    plan: LoadPlan,
    settings: JobSettings,
    name: str,
    labels: JsonObject,
    *,
    pods: int,
    words: list[str],
    annotations: JsonObject | None = None,
) -> JsonObject:
    deadline_s = math.ceil(WORKERS_WAIT_S + plan.duration_s + plan.drain_s + LINGER_S)
    run = labels[RUN_LABEL]
    pod: JsonObject = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 10,
        "containers": [_container(plan, settings, words)],
        "volumes": [
            {"name": "load", "configMap": {"name": run}},
            {"name": "plan", "secret": {"secretName": run}},
            {"name": "run", "emptyDir": {}},
        ],
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


def _container(plan: LoadPlan, settings: JobSettings, words: list[str]) -> JsonObject:
    requests: JsonObject = {"cpu": settings.cpu, "memory": settings.memory}
    limits: JsonObject = {"memory": settings.memory}
    files = ["--spec", f"{_PLAN_MOUNT}/{SPEC_FILE}", "--profile", f"{_MOUNT}/{_key(plan.profile)}", "--folder", _FOLDER]
    return {
        "name": "locust",
        "image": settings.image,
        "command": ["python", "-m", "harness.load.child.pod", *words, *files],
        "ports": [{"containerPort": LOCUST_PORT}, {"containerPort": FILES_PORT}] if words[0] == "master" else [],
        "resources": {"requests": requests, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "load", "mountPath": _MOUNT, "readOnly": True},
            {"name": "plan", "mountPath": _PLAN_MOUNT, "readOnly": True},
            {"name": "run", "mountPath": _FOLDER},
        ],
    }


def as_kubectl_list(resources: tuple[JsonObject, ...]) -> str:
    """Return the objects as one JSON list that ``kubectl apply`` accepts."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(resources)}, indent=1)
