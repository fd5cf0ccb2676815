"""A fault on the canary only proves that a worse canary is noticed, and reports say so."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from fake_run import FakeJudge, FakeMesh
from fault_contract import OTHERS, rows
from faulting import SeenWorld
from recorded import plan, record

from harness import abort, black_hole, connection_limit, cpu_limit, delay, kill, latency, on_canary, retry_storm
from harness.errors import UsageError
from harness.faults.port import Fault
from harness.model.phase import PhaseKind
from harness.model.record import FaultCount
from harness.model.split import SplitBy
from harness.model.step import Action, Edit
from harness.model.verdict import Verdict
from harness.runner.counts import fault_counts
from harness.runner.deciding import decide
from harness.runner.steps import Arrangement, StepMaker

SLOW = on_canary(delay("ratings", "2s", percent=30))
ARRANGEMENT = Arrangement(
    owner="a1",
    service="reviews",
    namespace="default",
    baseline={"app": "reviews", "version": "v2"},
    canary={"app": "reviews", "version": "v3"},
    canary_share=0.5,
    split_by=SplitBy.WEIGHT,
)


def test_only_the_calls_of_the_canary_are_changed() -> None:
    """The route for its pods is changed; the one for the baseline stays."""
    world = SeenWorld(FakeMesh.resources(None))
    (edit,) = StepMaker(ARRANGEMENT, world).fault(SLOW, world.resources(), 0)
    assert isinstance(edit, Edit)
    matches: Any = [item.entry["match"] for item in edit.insert]
    assert [[{"sourceLabels": {"app": "reviews", "version": "v3"}}]] == matches
    assert edit.declared is not None
    assert "canary" == edit.declared.arms
    assert "delay(ratings, 2 s, 30 %, canary only)" == str(SLOW) == edit.declared.text


@pytest.mark.parametrize("fault", [abort("ratings", 503), latency("ratings", "1s:5%"), black_hole("ratings"), retry_storm("ratings")], ids=str)  # fmt: skip
def test_faults_of_routes_can_be_controls(fault: Any) -> None:
    """Their texts say so."""
    assert str(on_canary(fault)).endswith(", canary only)")


@pytest.mark.parametrize("fault", [delay("ratings", "1s", inbound=True), delay("ratings", "1s", caller="details"), connection_limit("ratings"), kill("ratings")], ids=str)  # fmt: skip
def test_a_fault_that_holds_for_others_is_no_control(fault: Any) -> None:
    """The fault would hit requests to the baseline too."""
    with pytest.raises(UsageError, match="this one holds for others too"):
        on_canary(fault)


def test_the_service_itself_is_no_dependency_of_the_canary() -> None:
    """Its routes lead to both arms."""
    world = SeenWorld(FakeMesh.resources(None))
    with pytest.raises(UsageError, match="expected a dependency of reviews"):
        StepMaker(ARRANGEMENT, world).declared(on_canary(delay("reviews", "1s")), 0)


SQUEEZED = on_canary(cpu_limit("reviews", "50m"))


def of_reviews(version: str) -> Any:
    """A pod of reviews with limits."""
    pod = next(one for one in OTHERS if one["kind"] == "Pod")
    metadata = {**pod["metadata"], "name": f"reviews-{version}", "labels": {"app": "reviews", "version": version}}
    return {**pod, "metadata": metadata}


def test_only_the_pods_of_the_canary_are_squeezed() -> None:
    """The baseline's pods keep their limits."""
    world = SeenWorld(FakeMesh.resources(None), others=[of_reviews("v2"), of_reviews("v3")])
    (action,) = StepMaker(ARRANGEMENT, world).fault(SQUEEZED, world.resources(), 0)
    assert isinstance(action, Action)
    assert "reviews-v3" == action.act.target.name
    assert "cpu_limit(reviews, 50m, canary only)" == str(SQUEEZED)


def test_pods_that_both_arms_call_cannot_be_squeezed_for_one() -> None:
    """Every call to a dependency is answered by the same pods."""
    world = SeenWorld(FakeMesh.resources(None))
    with pytest.raises(UsageError, match="expected the service reviews itself, found ratings"):
        StepMaker(ARRANGEMENT, world).declared(on_canary(cpu_limit("ratings", "50m")), 0)


@pytest.mark.parametrize(("answered", "verdict"), [(("v2", "v3"), Verdict.FAIL), (("v2",), Verdict.INCONCLUSIVE)])
def test_a_squeezed_canary_is_proven_by_the_calls_that_it_answered(answered: tuple[str, ...], verdict: Verdict) -> None:
    """Callers call both arms, so the answering arm counts; a control without calls of the canary proves nothing."""
    live, end = (
        tuple(
            dataclasses.replace(
                row, source_workload="loadgenerator", source_version="", destination_service="reviews.default",
                destination_version=version,
            )
            for version in answered
            for row in rows(("-", total))
        )
        for total in (10, 500)
    )  # fmt: skip
    counts = fault_counts(
        SQUEEZED, SQUEEZED.declared("x-0"), phase="fault", live=live, before_removal=end, end=end,
        arms={"v2": "baseline", "v3": "canary"},
    )  # fmt: skip
    phases = tuple(
        dataclasses.replace(one, faults=(str(SQUEEZED),) if one.kind is PhaseKind.FAULT else ())
        for one in plan().phases
    )
    made = record(plan=dataclasses.replace(plan(), phases=phases), fault_counts=counts)
    analysis = decide(made, FakeJudge(verdict=Verdict.FAIL))
    assert verdict is analysis.verdict
    assert any(text.startswith("positive control: cpu_limit(reviews, 50m") for text in analysis.warnings)


def count(fault: Fault, arm: str, *, hit: int) -> FaultCount:
    """500 calls of one arm."""
    said = fault.declared("x-0")
    return FaultCount(
        phase="fault", fault=said.text, host="ratings", caller="reviews", arm=arm, requests=500, hit=hit,
        dose=said.dose, declared=said,
    )  # fmt: skip


def decided(fault: Fault, *, baseline: int, canary: int) -> Any:
    """The decision about a run in which each arm made 500 calls."""
    phases = tuple(
        dataclasses.replace(one, faults=(str(fault),) if one.kind is PhaseKind.FAULT else ()) for one in plan().phases
    )
    counts = (count(fault, "baseline", hit=baseline), count(fault, "canary", hit=canary))
    made = record(plan=dataclasses.replace(plan(), phases=phases), fault_counts=counts)
    return decide(made, FakeJudge(verdict=Verdict.FAIL))


@pytest.mark.parametrize("fault", [SLOW, on_canary(retry_storm("ratings"))], ids=str)
def test_a_control_that_hit_the_canary_only_is_proven_and_said_to_be_one(fault: Fault) -> None:
    """The verdict is the judge's, with the warning that it says nothing about the build."""
    analysis = decided(fault, baseline=0, canary=150)
    assert Verdict.FAIL is analysis.verdict
    (warning,) = [text for text in analysis.warnings if text.startswith("positive control")]
    assert str(fault) in warning


@pytest.mark.parametrize(("baseline", "canary", "failed"), [(150, 150, "spares the baseline"), (0, 0, "of delay")])
def test_a_control_that_hit_both_arms_or_none_is_inconclusive(baseline: int, canary: int, failed: str) -> None:
    """It controls nothing then."""
    analysis = decided(SLOW, baseline=baseline, canary=canary)
    assert Verdict.INCONCLUSIVE is analysis.verdict
    assert failed in analysis.reason


def test_a_fault_on_both_arms_is_no_control() -> None:
    """No warning."""
    fault = delay("ratings", "2s", percent=30)
    assert [] == [text for text in decided(fault, baseline=150, canary=150).warnings if "control" in text]
