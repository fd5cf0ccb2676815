"""Envoy's own counters tell what Istio's metrics tell, where a mesh keeps none of these."""

from __future__ import annotations

from collections import Counter

from faulting import declared
from mesh_world import SUBSETS, World, routes

from harness.faults import abort, delay
from harness.mesh.cluster.proof.envoy_counters import COUNTERS, Caller, EnvoyCounters, versions_of
from harness.model.counts import RequestCount
from harness.model.step import Edit
from harness.routing.istio.api import IstioRouting

LOAD = Caller(proxy="load", workload="loadgenerator", version="")
SPLIT = """
- match: [{headers: {x-abort: {}}}]
  fault: {abort: {httpStatus: 500, percentage: {value: 100}}}
  route: [{destination: {host: reviews, subset: v2}, weight: 50}, {destination: {host: reviews, subset: v3}, weight: 50}]
- match: [{headers: {x-delay: {}}}]
  fault: {delay: {fixedDelay: 20ms, percentage: {value: 100}}}
  route: [{destination: {host: reviews, subset: v2}}]
- match: [{uri: {prefix: /slow}}]
  timeout: 50ms
  route: [{destination: {host: reviews, subset: v3}}]
- route: [{destination: {host: reviews, subset: v3}}]
"""


def faulting(kind: str, host: str) -> Edit:
    """An edit that puts a fault on the calls to a host."""
    fault = abort(host, 500) if kind == "abort" else delay(host, "20ms")
    said = declared(fault, f"{kind}-{host}")
    return Edit(kind="VirtualService", namespace="default", name=host, owner="x", declared=said)


def read(world: World, own: EnvoyCounters, *edits: Edit, caller: Caller = LOAD) -> list[RequestCount]:
    """What Envoy's counters say now, with these edits live."""
    text = "".join(f"{name}: {value}\n" for name, value in world.mesh._envoy.admin.stats(COUNTERS).items())
    own.look(edits, "default")
    return list(
        own.rows(text, caller, versions_of(IstioRouting().destinations(world.read(SUBSETS), namespace="default")))
    )


def grown(before: list[RequestCount], after: list[RequestCount]) -> dict[tuple[str, str, str], int]:
    """What has been counted in between, by service, version and flags."""
    totals: Counter = Counter()
    for sign, rows in ((1, after), (-1, before)):
        for row in rows:
            totals[row.destination_service.split(".")[0], row.destination_version, row.response_flags] += (
                sign * row.total
            )
    return {key: total for key, total in totals.items() if total}


def test_answers_and_faults_are_counted_as_istio_counts_them(world: World) -> None:
    """Answers by version, aborts without one, delays among their host's calls; the faults were meant for one host."""
    world.serve(SUBSETS, routes(SPLIT))
    own, edits = EnvoyCounters(), (faulting("abort", "reviews"), faulting("delay", "reviews"))
    before = read(world, own, *edits)
    world.times(4, "reviews")
    world.times(5, "reviews", headers={"x-abort": "1"})
    world.times(2, "reviews", headers={"x-delay": "1"})
    assert grown(before, read(world, own, *edits)) == {
        ("reviews", "v3", "-"): 4,
        ("reviews", "v2", "-"): 2,
        ("reviews", "", "FI"): 5,
        ("reviews", "", "DI"): 2,
        ("reviews", "", "-"): -2,
    }


def test_what_ends_after_the_fault_is_gone_was_hit_by_it(world: World) -> None:
    """Counted at the next look, for the host that was last under a fault of that kind."""
    world.serve(SUBSETS, routes(SPLIT))
    own = EnvoyCounters()
    before = read(world, own, faulting("abort", "reviews"))
    world.get("reviews", headers={"x-abort": "1"})
    assert grown(before, read(world, own)) == {("reviews", "", "FI"): 1}


def test_faults_of_two_hosts_at_once_are_nobodys(world: World) -> None:
    """Envoy does not tell for whom they were, and a guess could prove a dose that never was."""
    world.serve(SUBSETS, routes(SPLIT))
    own, edits = EnvoyCounters(), (faulting("abort", "reviews"), faulting("abort", "ratings"))
    before = read(world, own, *edits)
    world.get("reviews", headers={"x-abort": "1"})
    assert grown(before, read(world, own, *edits)) == {}


def test_faults_from_before_the_first_look_are_not_ours(world: World) -> None:
    """Somebody else's fault has been counted long ago."""
    world.serve(SUBSETS, routes(SPLIT))
    world.get("reviews", headers={"x-abort": "1"})
    rows = read(world, EnvoyCounters(), faulting("abort", "reviews"))
    assert [row for row in rows if row.response_flags == "FI" and row.total] == []
