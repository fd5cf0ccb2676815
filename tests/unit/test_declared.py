"""Limits, proofs and counts read what steps declare, and no step passes them without a declaration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faulting import declared, fault_edits
from recorded import plan, record

from harness import gate, wiring
from harness.config import read_config
from harness.errors import UsageError
from harness.faults import Delay, Fault, abort, black_hole, delay, deny, evict, partition, scale, timeout
from harness.mesh.cluster.safety.blast_radius import calls_from
from harness.mesh.cluster.safety.limits import require_allowed, require_within
from harness.model.cluster import ClusterSettings, Limits
from harness.model.declared import ARRANGEMENTS, Declared, Scope
from harness.model.hit import HitState
from harness.model.phase import PhaseKind
from harness.model.record import FaultCount
from harness.model.step import Edit, Insertion
from harness.model.verdict import Proof
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split
from harness.runner.proofs import proofs

SMALL = Limits(dose=0.01, faults=1)
ROUTE = {"name": "harness-r1-x", "timeout": "1ms", "route": [{"destination": {"host": "ratings"}}]}


def edit(said: Declared | None) -> Edit:
    """Return a route with a timeout of a millisecond, which breaks every request, with some declaration."""
    insert = (Insertion(entry=ROUTE),)
    return Edit(
        kind="VirtualService",
        namespace="shop",
        name="ratings",
        owner="r1",
        list_at=("spec", "http"),
        insert=insert,
        declared=said,
    )


def within(*edits: Edit, live: Sequence[Declared] = (), limits: Limits = SMALL) -> None:
    """Check the edits against the limits of the namespace shop."""
    require_within(edits, live=live, namespace="shop", limits=limits)


def test_an_edit_that_declares_nothing_is_refused() -> None:
    """Its YAML is not searched for faults, because harmless YAML would prove nothing."""
    with pytest.raises(UsageError, match="declares what it does"):
        within(edit(None))


def test_a_condition_counts_as_hitting_every_request() -> None:
    """Nobody knows how many requests a timeout of 1 ms cuts off, so a limit of 1 % refuses it."""
    condition = Declared(id="timeout-0", kind="timeout", host="ratings", text="timeout(ratings, 1 ms)")
    with pytest.raises(UsageError, match="may hit 100 % of the requests; the ceiling is 1 %"):
        within(edit(condition))


def test_limits_go_by_the_declared_dose_and_scope() -> None:
    """The same edit passes or not depending on its declaration; splits are not faults."""
    fault = declared(delay("ratings", "2s", percent=1), "delay-0", Scope(labels={"app": "reviews"}))
    within(edit(fault))
    with pytest.raises(UsageError, match="ceiling"):
        within(edit(replace(fault, dose=0.02)))
    with pytest.raises(UsageError, match="every caller"):
        within(edit(replace(fault, scope=Scope())), limits=replace(SMALL, every_caller=False))
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    within(*split_edits([], Split(host="reviews", namespace="shop", canary_share=0.5, owner="r1", **arms)))


@pytest.mark.parametrize("fault", [evict("ratings", 1), scale("ratings", 0), partition("ratings"), deny("ratings")])
def test_test_traffic_narrows_no_fault_that_hits_every_caller(fault: Fault) -> None:
    """Pods that are gone are gone for users too, whatever the headers of the run's own requests are."""
    said = declared(fault, "f-0", replace(fault.declared("").scope, headers={"baggage": {"regex": ".*r1.*"}}))
    only = ClusterSettings(only_test_traffic=True)
    for limits in (Limits(), Limits(every_caller=True)):
        with pytest.raises(UsageError, match="hits every caller and cannot spare the requests of users"):
            within(edit(said), limits=limits)
        with pytest.raises(UsageError, match="hits every caller and cannot spare the requests of users"):
            require_allowed([fault.declared("")], replace(only, limits=limits))
    narrow = delay("ratings", "1s", percent=1)
    require_allowed([narrow.declared("")], only)
    within(edit(declared(narrow, "d-0", Scope(headers={"baggage": {"regex": ".*r1.*"}}))), limits=Limits())


def test_faults_at_once_are_counted_by_id() -> None:
    """Two edits of one fault are one fault; two faults of the same text are two."""
    fault = declared(delay("ratings", "2s", percent=1), "delay-0", Scope(labels={"app": "reviews"}))
    within(edit(fault), edit(fault))
    with pytest.raises(UsageError, match="found 2"):
        within(edit(fault), edit(replace(fault, id="delay-1")))
    with pytest.raises(UsageError, match="found 2"):
        within(edit(fault), live=[replace(fault, id="delay-1")])


def test_the_doses_of_all_faults_at_once_have_a_budget() -> None:
    """Half and three quarters are more than one; a condition counts as one."""
    few = Limits(total_dose=1.0, every_caller=True)
    half, more = (declared(delay("ratings", "2s", percent=dose), f"delay-{dose}") for dose in (50, 75))
    within(edit(half), live=[replace(half, id="other")], limits=few)
    with pytest.raises(UsageError, match=r"at most 1 together \(cluster.limits.total-dose\), found 1.25: delay"):
        within(edit(half), live=[more], limits=few)
    with pytest.raises(UsageError, match=r"found 1.5"):
        within(edit(half), live=[replace(half, id="condition", dose=None)], limits=few)


@pytest.mark.parametrize(
    ("stages", "why"),
    [
        ([[abort("ratings", 503), black_hole("ratings")]], "found 2: abort"),
        ([[abort("ratings", 503)], [black_hole("ratings")]], ""),
        ([[deny("ratings")]], "every caller"),
        ([[delay("ratings", "1s", percent=1) for _ in range(4)]], "at most 3 faults at once"),
    ],
    ids=["doses together", "one after the other", "everybody", "too many"],
)
def test_a_scenario_beyond_the_limits_is_refused_before_it_starts(stages: Any, why: str) -> None:
    """The cluster is not asked; what counts together is what is live at the same time."""
    config = read_config(Path(__file__).parents[2] / "harness.yaml")
    config = replace(config, cluster=replace(config.cluster, url="http://shop", limits=Limits(total_dose=1.0)))
    scenario = wiring.scenario(config, name="x", seed=1, stages=tuple(map(tuple, stages)))
    if not why:
        gate.check_scenario(scenario, config, target="cluster")
        return
    with pytest.raises(UsageError, match=why):
        gate.check_scenario(scenario, config, target="cluster")


@pytest.mark.parametrize("inbound", [False, True])
def test_every_edit_of_a_fault_carries_its_declaration(inbound: bool) -> None:
    """Kind, parameters, host, dose and scope are those of the fault, so nobody has to parse its text."""
    fault = abort("ratings", 503, percent=20, inbound=inbound)
    (made,) = fault_edits(fault, [], namespace="shop", caller_labels={"app": "reviews"}, owner="r1", index=3)
    said = made.declared
    assert said is not None
    assert ("abort-3", "abort", "ratings", 0.2, {"status": 503}) == (
        said.id,
        said.kind,
        said.host,
        said.dose,
        said.params,
    )
    assert said.is_fault
    assert (None if inbound else {"app": "reviews"}) == said.scope.labels
    assert ("host" if inbound else "caller") == said.scope.side


def test_arrangements_are_no_faults() -> None:
    """Splits and copies only decide which build answers."""
    kinds = {said.is_fault for kind in ARRANGEMENTS for said in [Declared(id="x", kind=kind, host="a", text="x")]}
    assert {False} == kinds


def test_the_blast_radius_goes_by_the_scope() -> None:
    """Labels and namespace of the callers decide, not the routes."""
    pod = {"metadata": {"name": "reviews-1", "labels": {"app": "reviews", "version": "v1"}}}
    assert calls_from(pod, Scope(), "shop")
    assert calls_from(pod, Scope(labels={"app": "reviews"}, namespace="shop"), "shop")
    assert not calls_from(pod, Scope(labels={"app": "details"}), "shop")
    assert not calls_from(pod, Scope(namespace="other"), "shop")


def counted(fault: Delay, fault_id: str, *, hit: int, arm: str = "canary", requests: int = 500) -> FaultCount:
    """Calls of one arm under a fault with an id."""
    said = declared(fault, fault_id)
    return FaultCount(
        phase="fault", fault=said.text, host=said.host, caller=f"reviews-{arm}" if requests else "", arm=arm,
        requests=requests, hit=hit, dose=said.dose, declared=said,
    )  # fmt: skip


def doses(counts: list[FaultCount], *texts: str) -> dict[str, bool]:
    """The proofs of doses by name, of a run that planned faults with these texts."""
    phases = tuple(replace(phase, faults=texts if phase.kind is PhaseKind.FAULT else ()) for phase in plan().phases)
    made = record(plan=replace(plan(), phases=phases), fault_counts=tuple(counts))
    return {proof.name: proof.held for proof in proofs(made) if proof.name.startswith("dose")}


def both(fault: Delay, fault_id: str, *, hit: int) -> list[FaultCount]:
    """The same count in both arms."""
    return [counted(fault, fault_id, hit=hit, arm=arm) for arm in ("baseline", "canary")]


def test_delays_for_different_callers_are_never_pooled() -> None:
    """A delay that hits every call and one that hits none would together look like half, which is wrong for both."""
    first, second = delay("ratings", "2s", percent=50), delay("ratings", "2s", percent=50, caller="details")
    assert str(first) == str(second)
    found = doses([*both(first, "delay-0", hit=500), *both(second, "delay-1", hit=0)], str(first), str(second))
    assert 4 == len(found)
    assert {False} == set(found.values())
    assert f"dose of {first} (delay-1), canary" in found


def test_doses_that_look_alike_are_never_pooled() -> None:
    """33.33 % and 33.34 % are different doses with the same text."""
    first, second = delay("ratings", "2s", percent=33.33), delay("ratings", "2s", percent=33.34)
    assert str(first) == str(second)
    found = doses([*both(first, "delay-0", hit=167), *both(second, "delay-1", hit=0)], str(first), str(second))
    assert 2 == sum(found.values())
    assert 4 == len(found)


def test_a_fault_that_was_never_injected_fails_also_next_to_one_of_the_same_text() -> None:
    """The plan has two faults, but the proxies counted only one."""
    fault = delay("ratings", "2s", percent=50)
    found = doses(both(fault, "delay-0", hit=250), str(fault), str(fault))
    assert not found[f"dose of {fault} (not injected)"]
    assert found[f"dose of {fault}, canary"]


def test_a_fault_that_no_call_met_has_no_dose() -> None:
    """Its empty row says only that it was live."""
    fault = delay("ratings", "2s", percent=50)
    assert {f"dose of {fault}": False} == doses([counted(fault, "delay-0", hit=0, arm="", requests=0)], str(fault))


def condition(
    *, hit: int, arm: str, requests: int = 400, state: HitState = HitState.COUNTED, why: str = ""
) -> FaultCount:
    """Calls of one arm under a timeout."""
    said = timeout("ratings", "500ms").declared("timeout-0")
    return FaultCount(
        phase="fault", fault=said.text, host=said.host, caller=f"reviews-{arm}", arm=arm, requests=requests, hit=hit,
        dose=None, declared=said, state=state, why=why,
    )  # fmt: skip


def hit_proof(*counts: FaultCount) -> Proof:
    """The one proof about the timeout."""
    text = timeout("ratings", "500ms").words().text
    phases = tuple(replace(phase, faults=(text,) if phase.kind is PhaseKind.FAULT else ()) for phase in plan().phases)
    made = record(plan=replace(plan(), phases=phases), fault_counts=counts)
    (proof,) = [proof for proof in proofs(made) if text in proof.name]
    return proof


def test_a_condition_that_no_call_met_is_said_as_such_and_proves_nothing() -> None:
    """It was in force, but nobody knows what the canary would have done."""
    idle = {"hit": 0, "state": HitState.NO_OCCASION, "why": "in force, but no call took longer than 500 ms"}
    proof = hit_proof(condition(arm="baseline", **idle), condition(arm="canary", **idle))
    assert not proof.held
    assert "no occasion: in force, but no call took longer than 500 ms (800 calls)" == proof.observed
    assert "choose one that this load meets" in proof.remedy


def test_a_condition_is_proven_by_calls_that_met_it_in_either_arm() -> None:
    """If only the slow canary is cut off, the fault is still real."""
    idle = {"hit": 0, "state": HitState.NO_OCCASION, "why": "in force, but no call took longer than 500 ms"}
    assert hit_proof(condition(arm="baseline", **idle), condition(arm="canary", hit=30)).held
    alone = hit_proof(condition(arm="canary", hit=30))
    assert not alone.held
    assert "no call of the baseline" in alone.observed


def test_a_fault_that_cannot_be_measured_proves_nothing() -> None:
    """Other counts make no difference."""
    proof = hit_proof(condition(arm="canary", hit=0, state=HitState.UNMEASURED, why="no counter for it"))
    assert not proof.held
    assert "cannot be measured: no counter for it" == proof.observed
