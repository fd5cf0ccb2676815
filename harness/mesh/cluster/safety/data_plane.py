"""Detect pods whose requests pass no sidecar, because the namespace or the pod is in Istio's ambient mode.

Splits and faults are edits that sidecars carry out. In ambient mode a node's proxy forwards connections and reads no
routes, and a waypoint, if there is one, serves all callers and drops routes that are narrowed by labels of callers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import Pod, as_pod, labels_of, metadata_of
from harness.errors import MeshError
from harness.mesh.cluster.safety.waypoints import waypoints_in_words
from harness.model.cluster import ClusterSettings

MODE = "istio.io/dataplane-mode"
_GATEWAY = "gateway.networking.k8s.io/gateway-name"
_SIDECAR, _OURS, _AMBIENT = "istio-proxy", "harness-", "ambient"


def data_plane(kube: Kubernetes, namespace: str, settings: ClusterSettings) -> str:
    """Return what carries out routes in the namespace, in words.

    Raises MeshError, with the way out, where a split or a fault would do nothing for some callers.
    """
    if settings.proxies:
        return "the proxies that cluster.proxies lists"
    found = kube.get("Namespace", None, namespace)
    labels = {} if found is None else labels_of(metadata_of(found))
    running = [
        pod
        for pod in map(as_pod, kube.list("Pod", namespace))
        if (pod.get("status") or {}).get("phase") == "Running"
        and _GATEWAY not in labels_of(pod["metadata"])
        and not pod["metadata"]["name"].startswith(_OURS)
    ]
    ambient = [pod for pod in running if not _has_sidecar(pod) and _mode(pod, labels.get(MODE, "")) == _AMBIENT]
    if ambient:
        sidecars = [pod for pod in running if _has_sidecar(pod)]
        command = kube.commands.kubectl(f"label namespace {namespace} {MODE}- istio-injection=enabled --overwrite")
        raise MeshError(
            f"namespace {namespace}: {_why(kube, labels, ambient, sidecars)}; run where every pod has a sidecar: "
            f"{command}, then restart the pods"
        )
    injection = labels.get("istio-injection") or labels.get("istio.io/rev")
    return f"sidecars, injection {injection}" if injection else "sidecars, injected by labels of pods"


def _why(kube: Kubernetes, labels: Mapping[str, str], ambient: Sequence[Pod], sidecars: Sequence[Pod]) -> str:
    names = ", ".join(sorted(pod["metadata"]["name"] for pod in ambient)[:5])
    if sidecars:
        return (
            f"has mixed data planes: {len(sidecars)} pods with sidecars, which bypass waypoints, and pods in ambient "
            f"mode ({names}), whose calls a fault or a split would not touch"
        )
    labelled = [labels, *(labels_of(pod["metadata"]) for pod in ambient)]
    namespace = ambient[0]["metadata"]["namespace"]
    return f"is in ambient mode ({names}) {waypoints_in_words(kube, namespace, labelled)}"


def _mode(pod: Pod, of_namespace: str) -> str:
    return labels_of(pod["metadata"]).get(MODE, of_namespace)


def _has_sidecar(pod: Pod) -> bool:
    spec = pod.get("spec") or {}
    return any(
        one["name"] == _SIDECAR for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    )
