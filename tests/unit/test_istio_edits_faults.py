"""Faults as edits: which callers they hit, how they combine, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from edit_checks import check_faulted
from faulting import fault_edits, faults_edits
from hypothesis import given
from hypothesis import strategies as st
from virtual_services import labels, reachable, sample_files, sample_resources, virtual_services

from harness.errors import ResourceError
from harness.faults import Abort, Delay, Fault, abort, delay
from harness.model.step import Edit
from harness.routing.edits import applied, applied_all
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

CALLER = {"app": "reviews"}


def inject(*resources: Any, fault: Fault | None = None, caller: dict[str, str] | None = CALLER, **more: Any) -> Edit:
    """The one edit of a fault on ratings in namespace shop."""
    fault = fault or delay("ratings", "2s", percent=50)
    given = {"namespace": "shop", "caller_labels": caller, "owner": "r1", "index": 0, **more}
    edits = fault_edits(fault, resources, **given)
    assert len(edits) == 1
    return edits[0]


def service(*routes: Any, hosts: tuple[str, ...] = ("ratings",), **spec: Any) -> Any:
    """The VirtualService of ratings."""
    return {
        "kind": "VirtualService",
        "metadata": {"name": "ratings", "namespace": "shop"},
        "spec": {"hosts": list(hosts), "http": list(routes), **spec},
    }


def to(host: str = "ratings", **more: Any) -> Any:
    """A route to one host."""
    return {"route": [{"destination": {"host": host}}], **more}


@given(virtual_services("ratings", others=("ratings", "elsewhere")), labels)
def test_every_route_the_caller_can_take_is_faulted(resource: Any, caller: dict[str, str]) -> None:
    """Each clone is its original narrowed in every block; blocks and routes of other callers are left out."""
    edit = inject(resource, caller=caller)
    expected = []
    for route in reachable(resource):
        blocks = [
            {**block, "sourceLabels": {**block.get("sourceLabels", {}), **caller}}
            for block in route.get("match") or [{}]
            if {**block.get("sourceLabels", {}), **caller} == {**caller, **block.get("sourceLabels", {})}
        ]
        if blocks and "redirect" not in route:
            expected.append((route, blocks, route["route"]))
    assert expected == [(item.before, item.entry["match"], item.entry["route"]) for item in edit.insert]


@given(virtual_services("ratings"))
def test_every_clone_carries_fault_mark_and_retries(resource: Any) -> None:
    """Each clone injects at the dose, marks every answer, and sets its retries explicitly."""
    for number, insertion in enumerate(inject(resource).insert):
        entry = insertion.entry
        assert entry["name"] == f"harness-r1-fault-0-{number}"
        assert entry["fault"] == {"delay": {"fixedDelay": "2s", "percentage": {"value": 50}}}
        assert entry["headers"]["response"]["set"] == {"x-harness-fault": "r1/0"}
        assert "attempts" in entry["retries"]


@given(virtual_services("ratings"))
def test_callers_of_one_namespace(resource: Any) -> None:
    """Given the callers' namespace, every block is narrowed to it, and blocks of other namespaces are left out."""
    edit = inject(resource, caller_namespace="shop")
    assert {block["sourceNamespace"] for item in edit.insert for block in item.entry["match"]} == {"shop"}


def test_a_host_without_virtual_service_gets_one() -> None:
    """The new VirtualService faults the caller's requests and leaves all others as they were."""
    routes = inject().create["spec"]["http"]
    assert [route.get("match") for route in routes] == [[{"sourceLabels": CALLER}], None]
    assert routes[1] == {"name": "harness-r1-default", **to()}


def test_a_host_with_a_gateways_virtual_service_gets_one_of_the_mesh() -> None:
    """A VirtualService of a gateway does not route calls inside the mesh."""
    assert inject(service(to(), gateways=["door"])).create is not None


def test_a_fault_on_the_service_under_test_clones_the_split() -> None:
    """Both arms get the fault at the same dose, and keep their marks."""
    resources = sample_resources("subsets.yaml", "route-third-version.yaml")
    edits = split_edits(
        resources,
        Split(
            host="reviews",
            namespace="shop",
            baseline={"version": "v1"},
            canary={"version": "v2"},
            canary_share=0.5,
            owner="r1",
        ),
    )
    split = applied_all(edits, resources, namespace="shop")
    edit = inject(*split, fault=abort("reviews", 503), caller={"app": "productpage"})
    first = edit.insert[0]
    assert first.before == edits[0].insert[0].entry
    assert first.entry["route"] == edits[0].insert[0].entry["route"]
    made = applied(edit, next(item for item in split if item["kind"] == "VirtualService"))
    assert [route.get("name") for route in made["spec"]["http"]] == [
        "harness-r1-fault-0-0",
        "harness-r1-split-0",
        "harness-r1-fault-0-1",
        None,
    ]


def test_two_faults_of_the_same_calls_combine() -> None:
    """The first route that matches both injects both, so that neither hides the other."""
    faults = [delay("ratings", "1s"), abort("ratings", 500, percent=20)]
    edits = faults_edits(faults, [service(to())], namespace="shop", callers=[CALLER, CALLER], owner="r1")
    made = applied_all(edits, [service(to())], namespace="shop")[0]["spec"]["http"]
    assert set(made[0]["fault"]) == {"delay", "abort"}
    assert [route.get("name") for route in made] == [
        "harness-r1-fault-1-0",
        "harness-r1-fault-0-0",
        "harness-r1-fault-1-1",
        None,
    ]


def test_faults_of_different_callers_do_not_meet() -> None:
    """Each caller gets only its own fault, even if both are of the same kind."""
    faults = [delay("ratings", "1s"), delay("ratings", "3s")]
    callers = [{"app": "reviews"}, {"app": "details"}]
    edits = faults_edits(faults, [service(to())], namespace="shop", callers=callers, owner="r1")
    made = applied_all(edits, [service(to())], namespace="shop")[0]["spec"]["http"]
    assert [route["match"][0]["sourceLabels"]["app"] for route in made[:-1]] == ["reviews", "details"]


def test_a_fault_on_a_route_with_a_fault_keeps_both() -> None:
    """A route that already aborts requests gets the delay as well."""
    theirs = {"abort": {"httpStatus": 500, "percentage": {"value": 1}}}
    entry = inject(service(to(fault=theirs))).insert[0].entry
    assert entry["fault"] == {**theirs, "delay": {"fixedDelay": "2s", "percentage": {"value": 50}}}


def test_redirects_are_left_alone() -> None:
    """The proxy answers such a route itself, and Istio refuses a fault on it."""
    redirect = {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/"}}
    answer = {"match": [{"uri": {"exact": "/ping"}}], "directResponse": {"status": 200}}
    edit = inject(service(redirect, answer, to()))
    assert [item.before for item in edit.insert] == [to()]


def test_of_several_hosts_only_routes_to_the_faults_host_are_hit() -> None:
    """In a VirtualService for several hosts, only routes to the fault's host get the fault."""
    edit = inject(service(to("details", match=[{"uri": {"prefix": "/d"}}]), to(), hosts=("ratings", "details")))
    assert [item.before for item in edit.insert] == [to()]


@given(virtual_services("ratings"))
def test_only_test_traffic_is_hit(resource: Any) -> None:
    """With test headers, every block of every clone requires the headers as well as the caller."""
    test = {"baggage": {"regex": ".*harness.run=r1.*"}}
    for caller in (CALLER, None):
        for insertion in inject(resource, caller=caller, test_headers=test).insert:
            for block in insertion.entry["match"]:
                assert block["headers"]["baggage"] == test["baggage"]
                assert caller is None or block["sourceLabels"].items() >= caller.items()


REFUSED = {
    "gateways next to source labels": (
        [service(to(match=[{"gateways": ["mesh"]}]))],
        r"spec\.http\[0\]\.match\[0\]\.gateways",
    ),
    "a delegate": ([service({"delegate": {"name": "d"}})], "delegate d"),
    "a delay that is there": ([service(to(fault={"delay": {"fixedDelay": "7s"}}))], "already injects delay"),
    "nothing the caller can take": (
        [service(to(match=[{"sourceLabels": {"app": "details"}}]))],
        "would hit nothing",
    ),
    "only redirects": ([service({"redirect": {"uri": "/"}})], "would hit nothing"),
    "several hosts in one route": (
        [service({"route": [*to()["route"], *to("details")["route"]]}, hosts=("ratings", "details"))],
        "would hit the others",
    ),
    "two owners": ([service(to()), service(to())], "expected one VirtualService"),
}


@pytest.mark.parametrize(("resources", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_faulted_is_refused_by_name(resources: list[Any], message: str) -> None:
    """The error names the resource, the route and the obstacle."""
    before = deepcopy(resources)
    with pytest.raises(ResourceError, match=message):
        inject(*resources)
    assert before == resources


def test_empty_caller_labels_are_refused() -> None:
    """Empty labels would hit every caller; None is the way to ask for that."""
    with pytest.raises(ResourceError, match="every caller"):
        inject(caller={})


@given(st.integers(1, 1_000_000), st.integers(1, 3_600_000))
def test_dose_and_duration_are_written_exactly(millionths: int, milliseconds: int) -> None:
    """Istio's text has exactly the dose and the duration of the fault."""
    fault = Delay(host="ratings", duration_s=milliseconds / 1000, dose=millionths / 1e6)
    text = inject(service(to()), fault=fault).insert[0].entry["fault"]["delay"]
    assert round(float(text["fixedDelay"].removesuffix("s")) * 1000) == milliseconds
    assert round(text["percentage"]["value"] * 10_000) == millionths


@pytest.mark.parametrize(
    "fault",
    [
        Delay(host="a", duration_s=0.0001, dose=1),
        Delay(host="a", duration_s=0.0015, dose=1),
        Abort(host="a", status=600, dose=1),
        Abort(host="a", status=0, dose=1),
        Abort(host="a", status=503, dose=0),
        Abort(host="a", status=503, dose=1.5),
    ],
    ids=str,
)
def test_what_istio_would_round_drop_or_choke_on_is_refused(fault: Delay | Abort) -> None:
    """Values that Istio accepts but ignores, or that its Envoy would reject, are refused before they are sent."""
    with pytest.raises(ResourceError, match="expected"):
        inject(service(to()), fault=replace(fault, host="ratings"))


@pytest.mark.parametrize("file", sample_files("route-*.yaml"))
def test_sample_files_are_faulted(file: str) -> None:
    """In every sample, an abort for calls of reviews is inserted before every route of ratings."""
    fault = delay("ratings", "1s") if file == "route-abort-testers.yaml" else abort("ratings", 503)
    check_faulted(sample_resources(file), fault)
