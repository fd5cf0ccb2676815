"""A fault can change a field of a route that no other fault changes, without any change of the routing APIs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ResourceError
from harness.model.declared import Declared, Scope
from harness.model.json import list_at, object_at
from harness.model.step import Edit
from harness.routing.gateway_api.api import GatewayApiRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Aim, NotExpressible, RouteChange

ISTIO, GATEWAY_API = IstioRouting(), GatewayApiRouting()
VIRTUAL_SERVICE: Any = {
    "kind": "VirtualService",
    "metadata": {"name": "ratings", "namespace": "shop"},
    "spec": {
        "hosts": ["ratings"],
        "http": [{"headers": {"request": {"set": {"x": "1"}}}, "route": [{"destination": {"host": "ratings"}}]}],
    },
}
HTTP_ROUTE: Any = {
    "kind": "HTTPRoute",
    "metadata": {"name": "ratings", "namespace": "shop"},
    "spec": {
        "parentRefs": [{"group": "", "kind": "Service", "name": "ratings"}],
        "rules": [{"backendRefs": [{"name": "ratings", "port": 9080}]}],
    },
}


def prefixed(field: str) -> Any:
    """Return a rewrite that sets a field, and that must not lose the marks of the injection."""
    return lambda route: {**{key: value for key, value in route.items() if key != "filters"}, field: {"uri": "/old/"}}


def refused(route: Any) -> Any:
    """A rewrite that no route can have."""
    raise ResourceError("has a prefix already")


def aim(**scope: Any) -> Aim:
    """The fault on ratings."""
    said = Declared(id="f-0", kind="f", host="ratings", text="old(ratings)", scope=Scope(every_caller=True, **scope))
    return Aim(declared=said, namespace="shop", owner="r1", index=0, workload_labels={"app": "ratings"})


@pytest.mark.parametrize(("api", "resource"), [(ISTIO, VIRTUAL_SERVICE), (GATEWAY_API, HTTP_ROUTE)])
def test_the_fault_writes_its_own_field_into_the_clone(api: Any, resource: Any) -> None:
    """The clone keeps its name and its mark whatever the fault does, and the original stays as it was."""
    change = RouteChange(rewrites={api.name: prefixed("rewrite")})
    edit = api.change((resource,), change, aim())
    assert isinstance(edit, Edit)
    (item,) = edit.insert
    assert ("harness-r1-fault-0-0", {"uri": "/old/"}) == (item.name, item.entry["rewrite"])
    assert "r1/0" in str(item.entry)
    assert "rewrite" not in item.before


def test_what_the_fault_writes_is_added_to_what_the_run_changes() -> None:
    """A delay and the rewritten field are in the same clone."""
    edit = ISTIO.change((VIRTUAL_SERVICE,), RouteChange(delay_s=1.0, rewrites={"istio": prefixed("rewrite")}), aim())
    assert isinstance(edit, Edit)
    entry: Any = edit.insert[0].entry
    assert ("1s", {"uri": "/old/"}) == (entry["fault"]["delay"]["fixedDelay"], entry["rewrite"])
    assert {"set": {"x": "1"}} == entry["headers"]["request"]


@pytest.mark.parametrize(("api", "resource"), [(ISTIO, VIRTUAL_SERVICE), (GATEWAY_API, HTTP_ROUTE)])
def test_an_api_for_which_the_fault_brings_nothing_cannot_express_it(api: Any, resource: Any) -> None:
    """The fault is refused; it is never injected without its own part."""
    change = RouteChange(timeout_s=0.1, rewrites={"another": prefixed("rewrite")})
    assert isinstance(api.change((resource,), change, aim()), NotExpressible)


def test_the_called_sides_proxies_have_no_routes_to_rewrite() -> None:
    """A change of their filters would leave the fault's own part out."""
    change = RouteChange(delay_s=1.0, rewrites={"istio": prefixed("rewrite")})
    assert isinstance(ISTIO.change((VIRTUAL_SERVICE,), change, aim(side="host")), NotExpressible)


@pytest.mark.parametrize(("api", "resource"), [(ISTIO, VIRTUAL_SERVICE), (GATEWAY_API, HTTP_ROUTE)])
def test_a_fault_that_refuses_a_route_is_told_with_the_route(api: Any, resource: Any) -> None:
    """The fault knows the reason, and the routing API the place."""
    with pytest.raises(ResourceError, match=r"shop/ratings.*#0: has a prefix already") as caught:
        api.change((resource,), RouteChange(rewrites={api.name: refused}), aim())
    assert caught.value.path is not None
    assert caught.value.path.endswith("[0]")


@pytest.mark.parametrize(
    ("rewrite", "why"),
    [
        (lambda route: {**route, "name": "mine"}, "lost the name"),
        (lambda route: None, "lost the name"),
        (lambda route: {key: value for key, value in route.items() if key not in {"match", "matches"}}, "may not hit"),
        (lambda route: {**route, "match": [*route.get("match", ()), {}], "matches": [{}]}, "may not hit"),
        (lambda route: {**route, "match": [{"uri": {"prefix": "/"}}], "matches": [{"path": "/"}]}, "may not hit"),
    ],
    ids=["other name", "nothing", "no match", "one for everybody", "other requests"],
)
@pytest.mark.parametrize(("api", "resource"), [(ISTIO, VIRTUAL_SERVICE), (GATEWAY_API, HTTP_ROUTE)])
def test_a_rewrite_can_widen_no_fault_and_escape_no_undo(api: Any, resource: Any, rewrite: Any, why: str) -> None:
    """What is declared holds, whatever the fault writes, and the entry can be found when it is to be removed."""
    test_traffic: Any = {"baggage": {"regex": ".*harness.run=r1.*"}}
    labels = {"app": "reviews"} if api is ISTIO else None
    with pytest.raises(ResourceError, match=why):
        api.change((resource,), RouteChange(rewrites={api.name: rewrite}), aim(labels=labels, headers=test_traffic))


def test_the_example_of_the_documentation_removes_the_header() -> None:
    """The block of docs/writing-a-fault.md is run as it stands there."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "writing-a-fault.md").read_text()
    (block,) = (
        found
        for found in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "rewrites=" in found and "def " in found
    )
    names: dict[str, Any] = {"RouteChange": RouteChange, "list_at": list_at, "object_at": object_at, "JsonObject": dict}
    exec(block, names)
    edit = ISTIO.change((VIRTUAL_SERVICE,), names["change"], aim())
    assert isinstance(edit, Edit)
    entry: Any = edit.insert[0].entry
    assert {"set": {"x": "1"}, "remove": ["cookie"]} == entry["headers"]["request"]
