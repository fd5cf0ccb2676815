"""The state machine of a release: what follows what, and that no event leads users to a build that is not there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model.release import OnDoubt, Outcome, Phase, ReleaseSettings, ReleaseState, ReleaseStep, Strategy
from harness.release.machine import (
    TROUBLE,
    Approved,
    Checked,
    Done,
    Ended,
    Event,
    Failed,
    Held,
    advance,
    can_roll_back,
    first_state,
)

STEPS = tuple(ReleaseStep(weight=share, scenarios=("scenarios",)) for share in (0.1, 0.5, 1.0))
SETTINGS = ReleaseSettings(steps=STEPS)
PASSED = Checked(verdict="pass", reason="")


def _run(*events: Event, settings: ReleaseSettings = SETTINGS) -> list[Phase]:
    state, seen = first_state(), [Phase.EXAMINE]
    for event in events:
        state = advance(state, event, settings)
        seen.append(state.phase)
    return seen


def test_a_good_build_passes_every_step_and_is_promoted():
    """Each step is a shift and a gate; then all users are switched, the stable build is replaced, the arms go."""
    step = (Done(), PASSED)
    found = _run(Done(), Done(), Done(), *step, *step, *step, *[Done()] * 5)
    assert [
        *("examine", "pin", "deploy"), *("shift", "gate") * 3, "switch", "promote", "return", "remove", "unroute", "over",
    ] == [phase.value for phase in found]  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "on", "phase", "code"),
    [
        ("fail", OnDoubt.HOLD, Phase.UNDO_ROUTE, 1),
        ("marginal", OnDoubt.HOLD, Phase.HOLD, 10),
        ("marginal", OnDoubt.REJECT, Phase.UNDO_ROUTE, 10),
        ("inconclusive", OnDoubt.HOLD, Phase.HOLD, 11),
        ("inconclusive", OnDoubt.REJECT, Phase.UNDO_ROUTE, 11),
        (TROUBLE, OnDoubt.HOLD, Phase.HOLD, 12),
    ],
)
def test_only_a_pass_goes_on(verdict: str, on: OnDoubt, phase: Phase, code: int):
    """A failure is undone; doubt is held or undone, as the settings say, with the verdict's exit code."""
    settings = replace(SETTINGS, on_marginal=on, on_inconclusive=on)
    state = advance(ReleaseState(phase=Phase.GATE), Checked(verdict=verdict, reason="why"), settings)
    assert (phase, code, "why") == (state.phase, state.exit_code, state.reason)


def test_an_approved_hold_goes_on_with_the_next_step():
    """Approval counts as a pass of the step; the exit code of the doubt is forgotten."""
    held = advance(ReleaseState(phase=Phase.HOLD, exit_code=10, reason="worse"), Held(expires_s=9.0), SETTINGS)
    assert (Phase.HELD, 9.0) == (held.phase, held.expires_s)
    state = advance(held, Approved(by="ann", why="known"), SETTINGS)
    assert (Phase.SHIFT, 1, 0, 1) == (state.phase, state.step, state.exit_code, state.hold)


def test_nothing_but_a_hold_can_be_approved():
    """An approval before the hold or after its end is refused."""
    for phase in set(Phase) - {Phase.HELD}:
        with pytest.raises(UsageError, match="does not take"):
            advance(ReleaseState(phase=phase), Approved(by="ann", why="known"), SETTINGS)


def test_the_first_outcome_stays_while_a_release_is_undone():
    """An abort during the undo of a failed build does not change that it was rejected."""
    state = advance(ReleaseState(phase=Phase.GATE), Checked(verdict="fail", reason="slow"), SETTINGS)
    again = advance(state, Ended(outcome=Outcome.ABORTED, reason="by ann", exit_code=12), SETTINGS)
    assert (Outcome.REJECTED, "slow", 1) == (again.outcome, again.reason, again.exit_code)


def test_a_release_that_is_promoted_cannot_be_undone():
    """Once the stable Deployment runs the new build, an abort is refused with what to do instead."""
    with pytest.raises(UsageError, match="release the previous build"):
        advance(ReleaseState(phase=Phase.REMOVE), Ended(outcome=Outcome.ABORTED, reason=""), SETTINGS)


def test_a_failure_while_examining_leaves_nothing_to_undo():
    """Nothing was changed yet, so the release is over at once."""
    state = advance(first_state(), Failed(reason="owned by flagger", exit_code=2), SETTINGS)
    assert (Phase.OVER, Outcome.ABORTED, 2) == (state.phase, state.outcome, state.exit_code)


def test_only_a_switched_blue_green_release_rolls_back():
    """A canary release is aborted instead; a blue-green one rolls back after the switch, until it is promoted."""
    blue = ReleaseSettings(strategy=Strategy.BLUE_GREEN, steps=(STEPS[0], replace(STEPS[2], observe_s=60.0)))
    baking = ReleaseState(phase=Phase.OBSERVE, step=1)
    assert can_roll_back(baking, blue)
    assert not can_roll_back(baking, SETTINGS)
    assert not can_roll_back(ReleaseState(phase=Phase.RETURN, step=1), blue)


_EVENTS = st.one_of(
    st.just(Done()),
    st.builds(
        Checked, verdict=st.sampled_from(["pass", "fail", "marginal", "inconclusive", TROUBLE]), reason=st.just("")
    ),
    st.just(Failed(reason="")),
    st.just(Held(expires_s=1.0)),
    st.just(Approved(by="ann", why="")),
    st.just(Ended(outcome=Outcome.ABORTED, reason="")),
)


@given(events=st.lists(_EVENTS, max_size=60))
def test_no_order_of_events_removes_a_build_that_users_get(events: list[Event]):
    """Before the arms are removed, users were routed back to the stable build; promotion needs a pass of each step."""
    state, users, passed = first_state(), False, set[int]()
    for event in events:
        before = state
        try:
            state = advance(state, event, SETTINGS)
        except UsageError:
            continue
        if before.phase is not state.phase or before.step != state.step:
            if isinstance(event, Done):
                users = users or before.phase in (Phase.SHIFT, Phase.SWITCH)
                users = users and before.phase not in (Phase.RETURN, Phase.UNDO_ROUTE, Phase.HOLD)
            if isinstance(event, Held):
                users = False
            if (before.phase is Phase.GATE and event == PASSED) or isinstance(event, Approved):
                passed.add(before.step)
        if state.phase in (Phase.REMOVE, Phase.UNDO_REMOVE, Phase.HELD):
            assert not users
        if state.phase in (Phase.SWITCH, Phase.PROMOTE) or state.outcome is Outcome.PROMOTED:
            assert {0, 1, 2} <= passed
