"""The page of a release stands alone, and shows what users, gates and people did."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.model.release import (
    FIRST,
    Build,
    BuildKind,
    Decision,
    DecisionKind,
    Happening,
    Hold,
    Outcome,
    Phase,
    ReleasePlan,
    ReleaseRecord,
    ReleaseSettings,
    ReleaseState,
    ReleaseStep,
    StepResult,
)
from harness.report.release_page import chain, render

STEPS = (ReleaseStep(weight=0.1, scenarios=("a",)), ReleaseStep(weight=1.0, observe_s=30.0))
RESULT = StepResult(
    step=0, attempt=0, service="reviews", check="gate", weight=0.1, verdict="marginal", exit_code=10,
    reason="latency_p50 <b>worse</b>", began_s=0.0, ended_s=40.0, score=80.0, bundles=("gates/0-0-reviews/run/test a",),
)  # fmt: skip
HELD = ReleaseRecord(
    id="20261128-220000-abcd",
    plan=ReleasePlan(
        builds=(Build(service="reviews", kind=BuildKind.IMAGE, name="shop/reviews:2"),),
        target="cluster",
        namespace="shop",
        settings=ReleaseSettings(steps=STEPS),
    ),
    state=ReleaseState(phase=Phase.HELD, reason="latency_p50 is worse", exit_code=10, expires_s=99.0),
    started_s=0.0,
    seen_s=1.0,
    started_by="ann",
    identities={"reviews": "shop/reviews@sha256:1234"},
    results=(RESULT,),
    holds=(Hold(step=0, began_s=2.0, expires_s=99.0, verdict="marginal", reason="latency_p50"),),
    happenings=(Happening(at_s=1.0, phase=Phase.SHIFT, step=0, text="10 % of the users", share=0.1),),
)


@pytest.mark.parametrize(
    ("phase", "outcome", "states"),
    [
        (Phase.DEPLOY, None, "now later later later"),
        (Phase.GATE, None, "done now later later"),
        (Phase.HELD, None, "done held later later"),
        (Phase.UNDO_ROUTE, Outcome.REJECTED, "done failed later failed"),
        (Phase.OVER, Outcome.ABORTED, "done failed later failed"),
    ],
)
def test_the_chain_shows_where_a_release_is(phase: Phase, outcome: Outcome | None, states: str):
    """Deploy, each step and the end are done, now, held, stopped or later."""
    record = replace(HELD, state=replace(HELD.state, phase=phase, outcome=outcome))
    assert states.split() == [link.state for link in chain(record)]


def test_a_promoted_release_has_a_chain_that_is_done():
    """Every link is done."""
    state = ReleaseState(phase=Phase.OVER, step=1, outcome=Outcome.PROMOTED)
    assert ["done"] * 4 == [link.state for link in chain(replace(HELD, state=state))]


def test_the_page_loads_nothing_and_escapes_what_it_quotes():
    """No address but those of the reports next to it; texts of others are text."""
    page = render(HELD)
    assert "<b>worse</b>" not in page
    assert "&lt;b&gt;worse" in page
    addresses = ["data:,", "gates/0-0-reviews/run/test%20a/report.html"]
    assert addresses == re.findall(r'(?:href|src)="([^"]+)"', page)
    assert "data-reload=" in page
    over = render(replace(HELD, state=ReleaseState(phase=Phase.OVER, outcome=Outcome.PROMOTED)))
    assert "data-reload=" not in over


def test_users_with_a_header_and_a_first_release_are_named():
    """A step for users with a header has it as its title; a service without a running build says how it is judged."""
    staff = ReleaseStep(weight=0.0, scenarios=("a", "b"), header={"x-group": "staff"})
    settings = ReleaseSettings(steps=(staff, replace(STEPS[0], header={"x-group": "staff"}), STEPS[1]))
    record = replace(HELD, plan=replace(HELD.plan, settings=settings), first=("reviews",))
    assert ["deploy", "x-group: staff", "10 %", "100 %", "promote"] == [link.title for link in chain(record)]
    assert "x-group: staff, 1 scenario" == chain(record)[2].detail
    assert "two copies of the new build" == chain(record)[0].detail
    assert f"reviews: {FIRST}." in render(record)


def test_a_hold_says_how_to_decide():
    """The commands are there as long as the hold lasts, with the release that they are about."""
    commands = [f"harness release {word} --release {HELD.id}" for word in ("approve", "reject")]
    assert all(command in render(HELD) for command in commands)
    over = replace(HELD, state=ReleaseState(phase=Phase.OVER, outcome=Outcome.PROMOTED))
    assert not any(command in render(over) for command in commands)
    assert "all get the new build" in render(over)


def test_a_decision_is_shown_with_name_time_and_reason():
    """So is a hold that nobody decided about."""
    decision = Decision(kind=DecisionKind.APPROVE, by="ann", reason="ticket 17", at_s=3.0)
    assert "approved by ann at 1970-01-01 00:00:03 UTC: ticket 17" in render(
        replace(HELD, holds=(replace(HELD.holds[0], decision=decision),))
    )
    assert "waits until 1970-01-01 00:01:39 UTC" in render(HELD)
    assert "nobody decided in time" in render(replace(HELD, holds=(replace(HELD.holds[0], expired=True),)))
