"""HTTPRoutes of the Gateway API for tests."""

from __future__ import annotations

from typing import Any


def backend(name: str, **fields: Any) -> Any:
    """A Service that a rule leads to."""
    return {"name": name, "port": 9080, **fields}


def http_route(service: str, *rules: Any, **spec: Any) -> Any:
    """An HTTPRoute of a Service in the mesh."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": service, "namespace": "shop"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": service, "port": 9080}],
            "rules": list(rules) or [{"backendRefs": [backend(service)]}],
            **spec,
        },
    }


def selecting(name: str, **labels: str) -> Any:
    """A Service that selects pods with these labels."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 9080, "targetPort": 8080, "nodePort": 31000}]},
    }
