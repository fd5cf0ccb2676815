"""Tell how long the routes to a host let a caller wait."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.json import JsonObject
from harness.model.units import parse_duration
from harness.routing.istio import governing
from harness.routing.istio.routes import answered_here, places


def longest_wait_s(resources: Sequence[JsonObject], *, host: str, namespace: str) -> float | None:
    """Return the longest timeout of the routes to ``host``; None if a request can wait without an end.

    Raises ResourceError for routes that cannot be read.
    """
    found = governing.virtual_service(resources, host=host, namespace=namespace)
    if found is None:
        return None
    routes = [place.route for place in places(found, namespace) if not answered_here(place.route)]
    times = [parse_duration(route["timeout"]) if route.get("timeout") else 0.0 for route in routes]
    return max(times) if times and all(times) else None
