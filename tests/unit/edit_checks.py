"""Checks that hold for the split, the faults and the undo of any file of Istio resources."""

from __future__ import annotations

from typing import Any

from faulting import fault_edits

from harness.faults import Fault, delay
from harness.routing.edits import applied_all, undone_all
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split


def check_split(resources: list[Any]) -> None:
    """The split of reviews between v1 and v3 adds a route that sends to these two subsets."""
    edits = split_edits(
        resources,
        Split(
            host="reviews",
            namespace="default",
            baseline={"version": "v1"},
            canary={"version": "v3"},
            canary_share=0.5,
            owner="r1",
        ),
    )
    made = applied_all(edits, resources, namespace="default")
    routes = [route for item in made for route in item["spec"].get("http", [])]
    entry = next(route for route in routes if route.get("name", "").startswith("harness-r1-split"))
    assert [item["destination"]["subset"] for item in entry["route"]] == ["v1", "v3"]


def check_restored(resources: list[Any]) -> None:
    """A split of reviews and a delay of it change the resources, and undoing both restores every key."""
    arms = {"baseline": {"version": "v1"}, "canary": {"version": "v2"}}
    edits = split_edits(resources, Split(host="reviews", namespace="shop", canary_share=0.1, owner="r1", **arms))
    during = applied_all(edits, resources, namespace="shop")
    more = fault_edits(
        delay("reviews", "1s"), during, namespace="shop", caller_labels={"app": "x"}, owner="r1", index=0
    )
    final = applied_all(more, during, namespace="shop")
    assert final != during != tuple(resources)
    assert tuple(resources) == undone_all((*edits, *more), final, namespace="shop")


def check_faulted(resources: list[Any], fault: Fault) -> None:
    """The fault on ratings is one edit whose routes match the calls of reviews only."""
    (edit,) = fault_edits(fault, resources, namespace="shop", caller_labels={"app": "reviews"}, owner="r1", index=0)
    routes = edit.create["spec"]["http"][:1] if edit.create else [item.entry for item in edit.insert]
    assert {route["match"][0]["sourceLabels"]["app"] for route in routes} == {"reviews"}
