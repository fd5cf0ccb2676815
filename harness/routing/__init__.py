"""Routing APIs: each splits and changes requests with its own resources. A new one is a package, and a line here."""

from __future__ import annotations

from harness.model.json import JsonObject
from harness.model.step import Edit
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Footprint, RoutingApi

APIS: tuple[RoutingApi, ...] = (IstioRouting(),)


def routing_api(name: str = "istio") -> RoutingApi:
    """Return the routing API called ``name``."""
    return next(api for api in APIS if api.name == name)


def footprint(edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
    """Return how an edit of any API's resource shows in the proxies; without traces if no API knows its kind."""
    known = (api.footprint(edit, resource, namespace=namespace) for api in APIS)
    return next((shown for shown in known if shown.traces), Footprint())
