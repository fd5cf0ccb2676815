"""A second routing API is a package next to the first: the API whose resource governs a host routes it."""

from __future__ import annotations

from typing import Any

import fake_store
import pytest
from fake_kubernetes import FakeKubernetes
from route_tables import TABLES, RouteTables, route_table
from shop import RULE, Open, route_to

from harness import routing
from harness.clients.kubernetes import kinds
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ResourceError
from harness.model.declared import Declared, Scope
from harness.model.step import Edit
from harness.routing.governed import GovernedRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Aim, NotExpressible, PolicyChange, RouteChange, Split

BOTH = GovernedRouting((IstioRouting(), RouteTables()))
RESOURCES = (route_to("reviews"), RULE, route_table("ratings"))


def split(host: str) -> Split:
    """Half of the requests for a host to its third version."""
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    return Split(host=host, namespace="shop", canary_share=0.5, owner="r1", **arms)


def aim(host: str, **scope: Any) -> Aim:
    """An injection for all callers of a host."""
    said = Declared(id="f-0", kind="f", host=host, text="f", scope=Scope(every_caller=True, **scope))
    return Aim(declared=said, namespace="shop", owner="r1", index=0, workload_labels={"app": host})


def kind_of(made: Edit | NotExpressible) -> str:
    """The kind of the resource that is edited."""
    assert isinstance(made, Edit)
    return made.kind


@pytest.mark.parametrize(
    ("host", "edited"),
    [
        ("ratings", ["RouteTable"]),
        ("reviews", ["DestinationRule", "VirtualService"]),
        ("details", ["DestinationRule", "VirtualService"]),
    ],
    ids=["the second", "the first", "nobody's: the first"],
)
def test_a_host_is_split_by_the_api_that_governs_it(host: str, edited: list[str]) -> None:
    """Where no resource governs it, the first API makes one."""
    assert edited == [edit.kind for edit in BOTH.split(RESOURCES, split(host))]


def test_two_apis_for_one_host_are_refused() -> None:
    """Proxies would ignore one of them, and which one is not ours to guess."""
    with pytest.raises(ResourceError, match="one routing API for reviews, found some of istio and route tables"):
        BOTH.split((*RESOURCES, route_table("reviews")), split("reviews"))


def test_routes_are_changed_by_the_api_that_governs_them_or_not_at_all() -> None:
    """A VirtualService for a host that a RouteTable routes would be ignored, so no other API is asked."""
    assert "RouteTable" == kind_of(BOTH.change(RESOURCES, RouteChange(abort_status=503), aim("ratings")))
    assert "VirtualService" == kind_of(BOTH.change(RESOURCES, RouteChange(abort_status=503), aim("reviews")))
    slow = BOTH.change(RESOURCES, RouteChange(delay_s=1.0), aim("ratings"))
    assert NotExpressible(why="a RouteTable has no field for it") == slow


def test_connections_are_changed_by_any_api_that_can() -> None:
    """So are the host's own proxies: neither is a matter of routes."""
    pool = PolicyChange(policy={"connectionPool": {"http": {"http1MaxPendingRequests": 1}}})
    assert "DestinationRule" == kind_of(BOTH.change(RESOURCES, pool, aim("ratings")))
    inbound = BOTH.change(RESOURCES, RouteChange(delay_s=1.0), aim("ratings", side="host"))
    assert "EnvoyFilter" == kind_of(inbound)
    found = BOTH.governing((*RESOURCES, {**RULE, "spec": {"host": "ratings"}}), host="ratings", namespace="shop")
    assert found.route is not None
    assert found.policy is not None


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second API is known to the harness, as its line in APIS would make it."""
    monkeypatch.setattr(routing, "APIS", (*routing.APIS, RouteTables()))
    monkeypatch.setitem(kinds.KINDS, TABLES.name, TABLES)


@pytest.fixture
def served(second: None, fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster has it too."""
    monkeypatch.setitem(fake_store.PLURALS, (TABLES.group, TABLES.plural), TABLES.name)
    fake.put(route_table("ratings"))


@pytest.mark.usefixtures("served")
def test_a_cluster_splits_with_the_second_api_and_puts_everything_back(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Rights, journal, edit and undo need no line of their own for it."""
    before = fake.object("RouteTable", "ratings")["spec"]
    with open_mesh() as mesh:
        assert {"VirtualService", "DestinationRule", "RouteTable"} == {item["kind"] for item in mesh.resources()}
        edits = mesh.routing.split(mesh.resources(), split("ratings"))
        with mesh.changed(edits, name="split"):
            rules = fake.object("RouteTable", "ratings")["spec"]["rules"]
            assert ["harness-r1-split", None] == [rule.get("name") for rule in rules]
    assert before == fake.object("RouteTable", "ratings")["spec"]


@pytest.mark.usefixtures("second")
def test_an_api_that_the_cluster_does_not_have_is_left_out(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Nothing is read of it, so nothing fails for it and no right is needed."""
    with open_mesh() as mesh:
        assert ("VirtualService", "DestinationRule") == mesh.routing.kinds
        assert 2 == len(mesh.resources())
    assert "routetables" not in {call.resource for call in fake.calls}


def test_a_server_says_which_kinds_it_has(kube: Kubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that it does not know has none."""
    monkeypatch.setitem(kinds.KINDS, TABLES.name, TABLES)
    assert kube.serves("VirtualService")
    assert kube.serves("Pod")
    assert not kube.serves("RouteTable")
