"""The split of a host: which routes are cloned, where they lead, and what is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from edit_checks import check_split
from hypothesis import given
from hypothesis import strategies as st
from virtual_services import reachable, sample_files, sample_resources, virtual_services

from harness.errors import ResourceError, UsageError
from harness.model.split import SplitBy
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

BASELINE, CANARY = {"version": "v1"}, {"version": "v3"}
MARKS = ["baseline", "canary"]


def split(*resources: Any, **options: Any) -> tuple[Edit, ...]:
    """A split of reviews in namespace shop, 90 to 10."""
    given = {"host": "reviews", "namespace": "shop", "canary_share": 0.1, "owner": "r1", **options}
    return split_edits(resources, Split(baseline=BASELINE, canary=CANARY, **given))


def service(*routes: Any, name: str = "reviews", **spec: Any) -> Any:
    """A VirtualService of namespace shop."""
    return {
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hosts": [name], "http": list(routes), **spec},
    }


def rule(*subsets: str, **spec: Any) -> Any:
    """A DestinationRule of reviews with subsets named after their versions."""
    return {
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": "shop"},
        "spec": {
            "host": "reviews",
            "subsets": [{"name": name, "labels": {"version": name}} for name in subsets],
            **spec,
        },
    }


def to(host: str = "reviews", **more: Any) -> Any:
    """A route to one host."""
    return {"route": [{"destination": {"host": host}}], **more}


@given(virtual_services(others=("reviews", "elsewhere")))
def test_every_route_to_the_host_gets_one_clone(resource: Any) -> None:
    """Routes to the host are cloned to both arms, each marked; others and redirects are left alone."""
    edit = split(resource)[-1]
    originals = [
        route
        for route in reachable(resource)
        if any(d["destination"]["host"] == "reviews" for d in route.get("route", []))
    ]
    assert originals == [insertion.before for insertion in edit.insert]
    for insertion in edit.insert:
        route = insertion.entry["route"]
        assert [item["weight"] for item in route] == [90, 10]
        assert [item["headers"]["response"]["set"]["x-harness-arm"] for item in route] == MARKS


@given(virtual_services())
def test_by_header_each_arm_has_a_clone_for_the_requests_that_choose_it(resource: Any) -> None:
    """Each clone leads to one marked destination; requests without the header are routed as before."""
    insert = split(resource, by=SplitBy.HEADER)[-1].insert
    assert [MARKS[index % 2] for index in range(len(insert))] == [
        item.entry["route"][0]["headers"]["response"]["set"]["x-harness-arm"] for item in insert
    ]
    for item in insert:
        (destination,) = item.entry["route"]
        arm = destination["headers"]["response"]["set"]["x-harness-arm"]
        assert "weight" not in destination
        assert {arm} == {block["headers"]["x-harness-choose"]["exact"] for block in item.entry["match"]}


@given(virtual_services())
def test_by_mirror_the_baseline_answers_and_the_canary_gets_copies(resource: Any) -> None:
    """The clone leads only to the marked baseline and mirrors to the canary; the result is valid for Istio."""
    edit = split(resource, by=SplitBy.MIRROR, canary_share=1.0)[-1]
    for item in edit.insert:
        (destination,) = item.entry["route"]
        assert destination["headers"]["response"]["set"]["x-harness-arm"] == "baseline"
        (copies,) = item.entry["mirrors"]
        assert copies["destination"] == {**destination["destination"], "subset": "harness-r1-canary"}
        assert copies["percentage"] == {"value": 100}


def test_a_mirror_that_is_there_is_kept() -> None:
    """Both forms of a mirror are kept next to ours, written in the form that allows several."""
    theirs = {"host": "shadow"}
    for more in (
        {"mirror": theirs, "mirrorPercentage": {"value": 5}},
        {"mirrors": [{"destination": theirs, "percentage": {"value": 5}}]},
    ):
        entry = split(service(to(**more)), by=SplitBy.MIRROR)[-1].insert[0].entry
        assert "mirror" not in entry
        assert [item["percentage"]["value"] for item in entry["mirrors"]] == [5, 10]


@given(virtual_services())
def test_a_clone_keeps_what_its_original_does(resource: Any) -> None:
    """Timeout, rewrite, headers and retries are the original's; missing retries are set explicitly."""
    for insertion in split(resource)[-1].insert:
        kept = {key: value for key, value in insertion.before.items() if key not in ("name", "match", "route")}
        kept.setdefault(
            "retries",
            {"attempts": 2, "retryOn": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"},
        )
        assert kept == {key: value for key, value in insertion.entry.items() if key not in ("name", "match", "route")}


@given(virtual_services())
def test_every_match_block_takes_test_traffic_only(resource: Any) -> None:
    """With test headers, every block of a clone is a block of the original narrowed by them."""
    test = {"x-test-run": {"exact": "r1"}}
    for insertion in split(resource, test_headers=test)[-1].insert:
        originals = insertion.before.get("match") or [{}]
        expected = [{**block, "headers": {**block.get("headers", {}), **test}} for block in originals]
        assert expected == insertion.entry["match"]


@given(virtual_services())
def test_no_clone_repeats_a_match_of_its_original(resource: Any) -> None:
    """Istio warns about a rule with the same match as another, and a dry run must cause no warnings."""
    for insertion in split(resource)[-1].insert:
        originals = insertion.before.get("match", [])
        assert len(insertion.entry["match"]) == max(len(originals), 1)
        assert not [block for block in insertion.entry["match"] if block in originals and "method" not in block]


@given(st.integers(1, 999_999))
def test_weights_are_exact(millionths: int) -> None:
    """A share of up to six digits is expressed exactly by whole weights."""
    weights = [item["weight"] for item in split(canary_share=millionths / 1e6)[-1].create["spec"]["http"][0]["route"]]
    assert millionths * sum(weights) == weights[1] * 1_000_000


def test_existing_subsets_are_used_and_missing_ones_made() -> None:
    """A subset with exactly the arm's labels is used by its name; a missing one is added to the rule."""
    edits = split(service(to()), rule("v1"))
    assert [item.entry for item in edits[0].insert] == [{"name": "harness-r1-canary", "labels": CANARY}]
    subsets = [item["destination"]["subset"] for item in edits[1].insert[0].entry["route"]]
    assert subsets == ["v1", "harness-r1-canary"]
    assert [edit.kind for edit in split(service(to()), rule("v1", "v3"))] == ["VirtualService"]


def test_without_resources_both_are_created() -> None:
    """A host without resources gets a rule and a VirtualService whose last route works as before."""
    edits = split()
    assert [edit.kind for edit in edits] == ["DestinationRule", "VirtualService"]
    assert edits[1].create["spec"]["hosts"] == ["reviews"]
    assert edits[1].create["spec"]["http"][-1] == {"name": "harness-r1-default", **to()}


def test_a_new_rule_keeps_the_policy_of_the_wildcard_it_hides() -> None:
    """A rule for the host replaces a wildcard rule, so it copies that rule's policy."""
    wide = rule(trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})
    wide["metadata"]["name"] = "all"
    wide["spec"]["host"] = "*.shop.svc.cluster.local"
    assert split(wide)[0].create["spec"]["trafficPolicy"] == {"tls": {"mode": "ISTIO_MUTUAL"}}


def test_a_destination_keeps_its_port_and_headers() -> None:
    """The clone's destination copies port and headers from the destination of the arm's own subset."""
    original = {
        "route": [
            {"destination": {"host": "reviews", "subset": "v1", "port": {"number": 80}}, "weight": 100},
            {
                "destination": {"host": "reviews", "subset": "v3", "port": {"number": 81}},
                "headers": {"request": {"set": {"a": "b"}}},
                "weight": 0,
            },
        ]
    }
    route = split(service(original), rule("v1", "v3"))[-1].insert[0].entry["route"]
    assert [item["destination"]["port"]["number"] for item in route] == [80, 81]
    assert route[1]["headers"] == {
        "request": {"set": {"a": "b"}},
        "response": {"set": {"x-harness-arm": "canary"}},
    }


def test_full_and_short_names_mean_the_same_host() -> None:
    """A VirtualService that uses full names governs the short one."""
    full = "reviews.shop.svc.cluster.local"
    edit = split(service(to(full), hosts=[full]))[-1]
    assert [item["destination"]["host"] for item in edit.insert[0].entry["route"]] == [full, full]


def test_resources_of_others_do_not_govern() -> None:
    """VirtualServices of other hosts, of gateways or hidden in another namespace are not edited."""
    hidden = service(to(), exportTo=["."])
    hidden["metadata"]["namespace"] = "other"
    hidden["spec"]["hosts"] = ["reviews.shop.svc.cluster.local"]
    edits = split(service(to("ratings"), name="ratings"), service(to(), gateways=["door"]), hidden)
    assert edits[-1].create is not None


def test_the_gateway_that_load_comes_through_chooses_the_virtual_service() -> None:
    """Behind a gateway the VirtualService bound to it is split, not the mesh's."""
    bound, mesh = service(to(), gateways=["door"], hosts=["reviews"]), service(to())
    bound["metadata"]["name"] = "entry"
    assert split(bound, mesh, gateway="door")[-1].name == "entry"
    assert split(bound, mesh)[-1].name == "reviews"


TWO = service(to())
TWO["metadata"] = {"name": "older", "namespace": "shop"}
REFUSED = {
    "two owners": ([service(to()), TWO], "VirtualService shop/reviews and VirtualService shop/older"),
    "rules for different namespaces": ([rule("v1"), rule("v3", exportTo=["."])], "one DestinationRule"),
    "a delegate": ([service({"delegate": {"name": "d", "namespace": "n"}})], "delegate n/d"),
    "no http": ([service()], "has no HTTP routes"),
    "no route to the host": ([service(to("other"))], "has no route to reviews.shop"),
    "several services in a route": (
        [service({"route": [*to()["route"], *to("other")["route"]]})],
        r"route #0: sends to other\.shop\.svc\.cluster\.local, reviews",
    ),
    "destinations that differ": (
        [service({"route": [{"destination": {"host": "reviews", "port": {"number": n}}} for n in (1, 2)]})],
        "differ in port",
    ),
    "a rule for some callers": ([rule("v1", workloadSelector={"matchLabels": {"a": "b"}})], "workloadSelector"),
}


@pytest.mark.parametrize(("resources", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_split_is_refused_by_name(resources: list[Any], message: str) -> None:
    """The error names the resource and the obstacle; the resources stay as they are."""
    before = deepcopy(resources)
    with pytest.raises(ResourceError, match=message):
        split(*resources)
    assert before == resources


def test_a_wildcard_next_to_it_is_left_alone() -> None:
    """As in Istio, the VirtualService that names the host governs it."""
    wide = service(to(), hosts=["*.shop.svc.cluster.local"])
    wide["metadata"]["name"] = "wide"
    assert split(wide, service(to()))[-1].name == "reviews"


def test_subsets_of_several_rules_are_used_and_missing_ones_go_into_the_oldest() -> None:
    """Istio joins the rules of one host."""
    older, newer = rule("v1"), rule("v3")
    older["metadata"] = {"name": "older", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"}
    newer["metadata"] = {"name": "newer", "namespace": "shop", "creationTimestamp": "2026-02-01T00:00:00Z"}
    assert [edit.kind for edit in split(newer, older)] == ["VirtualService"]
    newer["spec"]["subsets"] = []
    made, _ = split(newer, older)
    assert (made.name, [item.entry["labels"] for item in made.insert]) == ("older", [{"version": "v3"}])


def test_a_route_that_delegates_gets_the_clones_of_its_delegates_routes() -> None:
    """They go before the route that delegates, and lead where the delegate does; the delegate stays as it is."""
    root = service({"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "inner", "namespace": "team"}}, to())
    inner = service({"timeout": "3s", **to("reviews.shop.svc.cluster.local")})
    inner["metadata"] = {"name": "inner", "namespace": "team"}
    del inner["spec"]["hosts"]
    edit = split(root, inner)[-1]
    first, second = edit.insert
    assert (edit.name, first.before, second.before) == ("reviews", *root["spec"]["http"])
    assert first.entry["timeout"] == "3s"
    assert [block["uri"] for block in first.entry["match"]] == [{"prefix": "/a"}]
    assert "delegate" not in first.entry
    assert {item["destination"]["host"] for item in first.entry["route"]} == {"reviews.shop.svc.cluster.local"}


def test_a_rule_of_another_namespace_is_not_changed() -> None:
    """Its owner has to add the missing subsets."""
    other = rule("v1")
    other["metadata"]["namespace"] = "istio-config"
    other["spec"]["host"] = "reviews.shop.svc.cluster.local"
    with pytest.raises(ResourceError, match="add them there"):
        split(other)


def test_test_headers_that_are_matched_already_are_refused() -> None:
    """A block that already matches the header cannot be narrowed by it."""
    match = [{"headers": {"x-test-run": {"exact": "other"}}}]
    with pytest.raises(ResourceError, match="choose another"):
        split(service(to(match=match)), test_headers={"x-test-run": {"exact": "r1"}})


def test_a_test_header_with_an_unknown_condition_is_refused() -> None:
    """Istio knows exact, prefix and regex; it would ignore any other condition and split every request."""
    with pytest.raises(ResourceError, match="found 'suffix'"):
        split(service(to()), test_headers={"x-test-run": {"suffix": "r1"}})


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_that_leaves_an_arm_empty_is_refused(share: float) -> None:
    """Both arms need requests."""
    with pytest.raises(UsageError, match="share"):
        split(canary_share=share)


def test_equal_arms_are_refused() -> None:
    """Arms with the same labels are one arm."""
    with pytest.raises(UsageError, match="different labels"):
        split_edits([], Split(host="a", namespace="n", baseline=CANARY, canary=CANARY, canary_share=0.5, owner="r1"))


@pytest.mark.parametrize("file", sample_files("route-*.yaml"))
def test_sample_files_are_split(file: str) -> None:
    """With the rules of all services, every sample can be split, and every subset that it names exists."""
    check_split([*sample_resources(file), *sample_resources("subsets.yaml")])


def test_routes_that_no_request_can_take_are_not_cloned() -> None:
    """Istio ignores routes behind one without a match, and warns about them."""
    edit = split(service(to(), to(match=[{"uri": {"prefix": "/dead"}}])))[-1]
    assert [insertion.before for insertion in edit.insert] == [to()]
