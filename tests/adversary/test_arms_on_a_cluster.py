"""Attempts to compare a build with itself on a cluster: the pods behind each arm show whether the arms are two things."""

from __future__ import annotations

from typing import Any

import pytest
import recorded
from fake_run import FakeJudge
from shop import arm_pod

from harness.model.verdict import Verdict
from harness.runner.arm_pods import all_seen, arm_pods
from harness.runner.deciding import decide


def judged_with(pods: list[Any], baseline: dict[str, str], canary: dict[str, str]) -> Any:
    """The analysis of a recorded run with these pods in the cluster."""
    found = arm_pods(pods, {"baseline": baseline, "canary": canary})
    return decide(recorded.record(arm_pods=found), FakeJudge(verdict=Verdict.PASS))


def failed(analysis: Any) -> dict[str, str]:
    """What the failed proofs about the arms found, by name."""
    return {one.name: one.observed for one in analysis.proofs if not one.held and one.name.startswith("arms differ")}


def test_two_builds_in_pods_of_their_own_are_two_things() -> None:
    """The proof holds, and different images need no warning."""
    pods = [
        arm_pod("a", image="x@sha256:1", template="1", version="v1"),
        arm_pod("b", image="x@sha256:2", template="2", version="v3"),
    ]
    analysis = judged_with(pods, {"version": "v1"}, {"version": "v3"})
    assert analysis.verdict is Verdict.PASS
    assert "arms differ, pods" in [one.name for one in analysis.proofs]
    assert not [text for text in analysis.warnings if "same images" in text]


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([arm_pod("a", ip="10.0.0.1", track="old", build="new")], "both arms are pod a (10.0.0.1)"),
        ([arm_pod("a", track="old")], "no pod of the canary"),
        (
            [arm_pod("a", template="5f9", track="old"), arm_pod("b", template="5f9", build="new")],
            "both arms are pods of one ReplicaSet (pod-template-hash 5f9): pod a, pod b",
        ),
    ],
    ids=["labels that select the same pods", "labels that select no pod", "a pod of the baseline with a changed label"],
)
def test_arms_that_are_one_thing_prove_nothing(pods: list[Any], found: str) -> None:
    """The verdict is inconclusive, and the reason names the pods."""
    analysis = judged_with(pods, {"track": "old"}, {"build": "new"})
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert failed(analysis) == {"arms differ, pods": found}
    assert found in analysis.reason


def test_the_same_image_in_both_arms_is_said() -> None:
    """A canary whose image was never changed passes with a warning, because its configuration may differ."""
    pods = [arm_pod(name, image="x@sha256:1", version=version) for name, version in (("a", "v1"), ("b", "v3"))]
    analysis = judged_with(pods, {"version": "v1"}, {"version": "v3"})
    assert "the pods of both arms run the same images (x@sha256:1): only their configuration can differ" in (
        analysis.warnings
    )


def test_pods_that_came_and_went_during_the_run_count() -> None:
    """A pod that both arms had at different times is one thing too."""
    first = arm_pods([arm_pod("a", track="old")], {"baseline": {"track": "old"}, "canary": {"build": "new"}})
    last = arm_pods([arm_pod("a", build="new")], {"baseline": {"track": "old"}, "canary": {"build": "new"}})
    analysis = decide(recorded.record(arm_pods=all_seen(first, last)), FakeJudge(verdict=Verdict.PASS))
    assert failed(analysis) == {"arms differ, pods": "both arms are pod a"}


def test_a_pod_that_was_replaced_does_not_void_the_run() -> None:
    """Its count is lost with it; only requests that the other arm's pods got in its place count against the run."""
    pods = arm_pods(
        [arm_pod("a", version="v1"), arm_pod("b", version="v3"), arm_pod("c", version="v3")],
        {"baseline": {"version": "v1"}, "canary": {"version": "v3"}},
    )
    answers = int((recorded.record().samples.arm == 0).sum())
    for extra, held in ((0, True), (900, False)):
        reached = {"baseline": {"pod a": answers + extra}, "canary": {"pod c": 400}}
        analysis = decide(recorded.record(arm_pods=pods, endpoint_requests=reached), FakeJudge(verdict=Verdict.PASS))
        assert (failed(analysis) == {}) is held
