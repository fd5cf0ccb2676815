"""The shop that cluster tests work on: its pods and resources, and settings that make tests quick."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from harness.mesh.cluster.mesh import ClusterMesh
from harness.model.cluster import ClusterSettings

QUICK = ClusterSettings(heartbeat_s=0.2, live_within_s=2, patience_s=3, watchdog=False)
Open = Callable[..., AbstractContextManager[ClusterMesh]]


def pod(name: str, **labels: str) -> Any:
    """A running pod with a sidecar."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy"}]},
        "status": {"phase": "Running"},
    }


def arm_pod(name: str, *, ip: str = "", template: str = "", image: str = "", **labels: str) -> Any:
    """A running pod with an address, a template and an image."""
    made = pod(name, **labels, **({"pod-template-hash": template} if template else {}))
    sidecar = {"name": "istio-proxy", "imageID": "proxy@sha256:1"}
    made["status"] |= {"podIP": ip, "containerStatuses": [{"name": "app", "imageID": image}, sidecar]}
    return made


def route_to(host: str, *routes: Any) -> Any:
    """A VirtualService of a host."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": host, "namespace": "shop"},
        "spec": {"hosts": [host], "http": list(routes) or [{"route": [{"destination": {"host": host}}]}]},
    }


RULE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": {"name": "reviews", "namespace": "shop"},
    "spec": {"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]},
}


def service(name: str) -> Any:
    """A Service, which every proxy has a cluster for."""
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 9080}]}}


SHOP = (
    *(service(name) for name in ("productpage", "reviews", "ratings", "details")),
    pod("productpage-1", app="productpage", version="v1"),
    pod("reviews-1", app="reviews", version="v1"),
    pod("reviews-3", app="reviews", version="v3"),
    pod("ratings-1", app="ratings", version="v1"),
    route_to("reviews"),
    RULE,
)
