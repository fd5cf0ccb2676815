"""Whether a change would hit anything: callers with a sidecar, and hosts that their proxies know. Asked before it is made."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterUnreachable, MeshError
from harness.mesh.cluster.proof.proxies import Proxies, names_for
from harness.model.json import Json
from harness.routing.istio.edits import Edit, routes_in
from harness.routing.istio.governing import fqdn


def in_mesh(kube: Kubernetes, edit: Edit) -> bool:
    """Whether sidecars have the edit's routes: whether its VirtualService is bound to the mesh."""
    if edit.kind != "VirtualService" or edit.create is not None:
        return True
    found = kube.get(edit.kind, edit.namespace, edit.name)
    return found is None or "mesh" in (found["spec"].get("gateways") or ["mesh"])


def require_targets(kube: Kubernetes, proxies: Proxies, edits: Sequence[Edit], namespace: str) -> None:
    """Raise MeshError when an edit of routes concerns no pod, or leads to a host that no proxy concerned knows."""
    pods = proxies.pods()
    for edit in edits:
        if edit.kind == "VirtualService" and in_mesh(kube, edit):
            concerned = [pod for pod in pods if names_for(edit, pod, namespace)]
            if not concerned:
                apps = sorted({str(_labels(pod).get("app")) for pod in pods if _labels(pod).get("app")})
                raise MeshError(
                    f"{edit.label}: no running pod with a sidecar in {namespace} is concerned: the change would hit nothing; "
                    f"expected the labels of one that calls, found pods of {', '.join(apps) or 'no app'}"
                )
            _require_known(proxies, concerned, edit, namespace)


def _require_known(proxies: Proxies, concerned: Sequence[Json], edit: Edit, namespace: str) -> None:
    unknown, silent = _destinations(edit, namespace), []
    for pod in concerned:
        try:
            known = proxies.hosts(pod)
        except (ClusterUnreachable, MeshError, ValueError) as error:
            silent.append(f"pod {pod['metadata']['name']} does not answer ({error})")
            continue
        unknown = unknown - known if known else set()
        if not unknown:
            return
    if len(silent) == len(concerned):
        raise MeshError(
            f"{edit.label}: expected the proxies to say what they have, found {'; '.join(silent)}; where pods cannot be "
            "asked, name their admin ports (cluster.proxies) or istiod's debug port (cluster.istiod)"
        )
    raise MeshError(
        f"{edit.label}: no proxy concerned knows {', '.join(sorted(unknown))}: the change would hit nothing; "
        f"is there such a service? See kubectl get services -n {namespace}"
    )


def _destinations(edit: Edit, namespace: str) -> set[str]:
    """Full names of the hosts that the edit's routes lead to."""
    return {
        fqdn(str(destination["destination"]["host"]), namespace)
        for route in routes_in(edit)
        for destination in route.get("route") or ()
        if (destination.get("destination") or {}).get("host")
    }


def _labels(pod: Json) -> Json:
    return pod["metadata"].get("labels") or {}
