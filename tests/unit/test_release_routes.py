"""A release routes a share of the users; what it inserted can always be removed by its names."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from shop import RULE, route_to

from harness.errors import ResourceError
from harness.routing.edits import applied_all
from harness.routing.istio.api import IstioRouting
from harness.routing.istio.routing import split_edits
from harness.routing.port import Share, Split

API = IstioRouting()
V1, NEW = {"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "new"}
SHARE = Share(host="reviews", namespace="shop", stable=V1, canary=NEW, share=0.1, owner="rel")


def _world(route: Any = None) -> tuple[Any, ...]:
    found = route_to("reviews") if route is None else route
    return (found, RULE)


def _shared(resources: tuple[Any, ...], share: float) -> tuple[Any, ...]:
    clean = tuple(left for one in resources if (left := API.without(one, "rel")) is not None)
    return applied_all(API.share(clean, replace(SHARE, share=share)), clean, namespace="shop")


def _routes(resources: tuple[Any, ...]) -> Any:
    return next(one for one in resources if one["kind"] == "VirtualService")["spec"]["http"]


@pytest.mark.parametrize(
    ("share", "weights"), [(0.1, [90, 10]), (0.5, [50, 50]), (0.0025, [9975, 25]), (0.0, [None]), (1.0, [None])]
)
def test_users_are_divided_by_weight_and_one_sided_shares_have_one_destination(share: float, weights: list[int | None]):
    """Weights are small whole numbers; at 0 % and 100 % the other build is not in the route at all."""
    first = _routes(_shared(_world(), share))[0]
    assert weights == [item.get("weight") for item in first["route"]]
    if len(weights) == 1:
        subset = first["route"][0]["destination"]["subset"]
        assert ("harness-rel-canary" == subset) is (share == 1.0)


def test_answers_to_users_are_not_marked():
    """A gate marks the answers to its own requests; users see no header of the harness."""
    assert not any(item.get("headers") for item in _routes(_shared(_world(), 0.1))[0]["route"])


def test_the_name_of_the_route_tells_the_share():
    """Proxies show names, so a new share is provable."""
    names = [_routes(_shared(_world(), share))[0]["name"] for share in (0.0, 0.1, 1.0)]
    assert ["harness-rel-users-0-0", "harness-rel-users-100000-0", "harness-rel-users-1000000-0"] == names


def test_another_share_replaces_the_one_before_and_the_end_leaves_nothing():
    """Shares do not pile up, whatever the order, and the resources are as they were in the end."""
    before = _world()
    world = before
    for share in (0.0, 0.5, 0.1, 1.0, 1.0):
        world = _shared(world, share)
        assert 1 == sum(route.get("name", "").startswith("harness-rel-users") for route in _routes(world))
    assert before == tuple(API.without(one, "rel") for one in world)


def test_a_route_that_the_release_made_goes_whole_unless_others_use_it():
    """Without a VirtualService the release makes one; it removes it, or leaves it if somebody else put routes into it."""
    world = _shared((RULE,), 0.5)
    made = next(one for one in world if one["kind"] == "VirtualService")
    assert API.without(made, "rel") is None
    used = deepcopy(made)
    used["spec"]["http"].insert(0, {"name": "theirs", "route": [{"destination": {"host": "reviews"}}]})
    left = API.without(used, "rel")
    assert ["theirs", None] == [route.get("name") for route in left["spec"]["http"]]
    assert "canary-harness/owner" not in left["metadata"]["labels"]


def test_a_gate_splits_test_traffic_on_top_of_every_share():
    """At each share, also 0 % and 100 %, requests with the run's mark are divided between the two arms."""
    arms = {"baseline": {"app": "reviews", "version": "old"}, "canary": NEW}
    for share in (0.0, 0.1, 1.0):
        split = Split(
            host="reviews", namespace="shop", canary_share=0.5, owner="run",
            test_headers={"baggage": {"regex": ".*run.*"}}, **arms,
        )  # fmt: skip
        edits = split_edits(_shared(_world(), share), split)
        after = _routes(applied_all(edits, _shared(_world(), share), namespace="shop"))
        assert after[0]["name"].startswith("harness-run-split")
        assert [50, 50] == [item["weight"] for item in after[0]["route"]]
        assert {"baggage": {"regex": ".*run.*"}} == after[0]["match"][0]["headers"]


def test_users_with_a_header_get_the_new_build_whatever_the_share_is():
    """Their route comes first and has the original's conditions too; another header is another name, so it is seen."""
    limited = replace(SHARE, share=0.0, headers={"x-beta": "1"})
    edits = API.share(_world(), limited)
    first, second, *_ = _routes(applied_all(edits, _world(), namespace="shop"))
    assert {"x-beta": {"exact": "1"}} == first["match"][0]["headers"]
    assert ["harness-rel-canary"] == [item["destination"]["subset"] for item in first["route"]]
    assert "harness-rel-users-0-0" == second["name"]
    other = applied_all(API.share(_world(), replace(limited, headers={"x-beta": "2"})), _world(), namespace="shop")
    assert first["name"] != _routes(other)[0]["name"]
    assert _world() == tuple(API.without(one, "rel") for one in other)


def test_users_with_a_header_have_a_route_where_there_was_none():
    """Without a VirtualService the release makes one with both routes and a default."""
    made = applied_all(API.share((RULE,), replace(SHARE, headers={"x-beta": "1"})), (RULE,), namespace="shop")
    names = [route["name"].rpartition("-")[0] for route in _routes(made)]
    assert ["harness-rel-header", "harness-rel-users", "harness-rel"] == [
        name.rpartition("-")[0] if "header" in name or "users" in name else name for name in names
    ]


def test_routes_to_other_builds_stay_as_they_are():
    """A test user who is sent to another subset keeps it."""
    special = {
        "name": "jason",
        "match": [{"headers": {"end-user": {"exact": "jason"}}}],
        "route": [{"destination": {"host": "reviews", "subset": "v3"}}],
    }
    route = route_to("reviews")
    route["spec"]["http"].insert(0, special)
    assert special == _routes(_shared(_world(route), 0.1))[0]


def test_routes_that_divide_users_already_are_refused():
    """The release would change who gets which build."""
    route = route_to("reviews")
    route["spec"]["http"] = [
        {"route": [{"destination": {"host": "reviews", "subset": name}, "weight": 50} for name in ("v1", "v3")]}
    ]
    with pytest.raises(ResourceError, match="divides users between 2 destinations"):
        _shared(_world(route), 0.1)


def test_users_of_a_subset_keep_it_with_its_policy():
    """A route to the subset of the running build keeps that subset; only the new build's share leaves it."""
    route = route_to("reviews", {"route": [{"destination": {"host": "reviews", "subset": "v1"}}]})
    first = _routes(_shared(_world(route), 0.1))[0]
    assert ["v1", "harness-rel-canary"] == [item["destination"]["subset"] for item in first["route"]]
