"""The state machine of a release: a state and an event give the next state. Pure functions, without clock or disk.

    EXAMINE > PIN > DEPLOY > SHIFT > GATE > OBSERVE > (next step: SHIFT) > SWITCH > PROMOTE > RETURN > REMOVE > UNROUTE
                                      |                                                                           |
                        in doubt: HOLD > HELD > approved: next step                                             OVER
                                      |                                                                           |
              failed, rejected, aborted: UNDO_ROUTE > UNDO_PROMOTE > UNDO_REMOVE > UNDO_UNROUTE ------------------+

Every phase but HELD and OVER is one operation, which may be repeated: after a crash it is done again. Users always
leave the new build before it is removed. The routes lead to builds that run, at every moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.errors import UsageError
from harness.model.release import OnDoubt, Outcome, Phase, ReleaseSettings, ReleaseState, ReleaseStep, Strategy

TROUBLE = "trouble"
"""What a gate gives that ended without a verdict."""
_CODES: Mapping[str, int] = {"pass": 0, "fail": 1, "marginal": 10, "inconclusive": 11, TROUBLE: 12}
_NEXT: Mapping[Phase, Phase] = {
    Phase.EXAMINE: Phase.PIN,
    Phase.PIN: Phase.DEPLOY,
    Phase.DEPLOY: Phase.SHIFT,
    Phase.HOLD: Phase.HELD,
    Phase.SWITCH: Phase.PROMOTE,
    Phase.PROMOTE: Phase.RETURN,
    Phase.RETURN: Phase.REMOVE,
    Phase.REMOVE: Phase.UNROUTE,
    Phase.UNROUTE: Phase.OVER,
    Phase.UNDO_ROUTE: Phase.UNDO_PROMOTE,
    Phase.UNDO_PROMOTE: Phase.UNDO_REMOVE,
    Phase.UNDO_REMOVE: Phase.UNDO_UNROUTE,
    Phase.UNDO_UNROUTE: Phase.OVER,
}
_PROMOTED = (Phase.RETURN, Phase.REMOVE, Phase.UNROUTE)
"""The stable Deployment runs the new build by now, so there is nothing to undo any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The operation of the phase has been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check of the step has ended. verdict: of a run, or TROUBLE."""

    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The operation cannot be done. exit_code: 1 if that is the build's fault, else 12."""

    reason: str
    exit_code: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The hold has begun; users are on the stable build. expires_s: when it ends, in epoch seconds."""

    expires_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A person approved the build of a hold. by and why: in words."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A person or the end of a hold takes the build out."""

    outcome: Outcome
    reason: str
    exit_code: int = 1


Event: TypeAlias = Done | Checked | Failed | Held | Approved | Ended


def first_state() -> ReleaseState:
    """Return the state of a release that has not begun."""
    return ReleaseState()


def step_of(state: ReleaseState, settings: ReleaseSettings) -> ReleaseStep:
    """Return the current step."""
    return settings.steps[min(state.step, len(settings.steps) - 1)]


def advance(state: ReleaseState, event: Event, settings: ReleaseSettings) -> ReleaseState:
    """Return the state after an event. Raises UsageError for an event that this state does not take."""
    match event:
        case Done():
            return _done(state, settings)
        case Checked():
            return _checked(state, event, settings)
        case Held() if state.phase is Phase.HOLD:
            return replace(state, phase=Phase.HELD, expires_s=event.expires_s)
        case Failed():
            return _undone(state, Outcome.REJECTED, event.reason, event.exit_code)
        case Approved() if state.phase is Phase.HELD:
            return _passed(replace(state, hold=state.hold + 1, exit_code=0, reason="", expires_s=0.0), settings)
        case Ended():
            if state.phase is Phase.HELD:
                state = replace(state, hold=state.hold + 1, expires_s=0.0)
            return _undone(state, event.outcome, event.reason, event.exit_code)
    raise _unexpected(state, event)


def _done(state: ReleaseState, settings: ReleaseSettings) -> ReleaseState:
    if state.phase is Phase.SHIFT:
        return replace(state, phase=_first_check(step_of(state, settings)))
    if state.phase not in _NEXT:
        raise _unexpected(state, Done())
    following = _NEXT[state.phase]
    if state.phase is Phase.SWITCH:
        return replace(state, phase=following, promoting=True)
    if state.phase is Phase.PROMOTE:
        return replace(state, phase=following, outcome=Outcome.PROMOTED, reason="every step passed")
    return replace(state, phase=following)


def _first_check(step: ReleaseStep) -> Phase:
    return Phase.GATE if step.scenarios else Phase.OBSERVE


def _checked(state: ReleaseState, event: Checked, settings: ReleaseSettings) -> ReleaseState:
    if state.phase not in (Phase.GATE, Phase.OBSERVE):
        raise _unexpected(state, event)
    if event.verdict == "pass":
        if state.phase is Phase.GATE and step_of(state, settings).observe_s > 0:
            return replace(state, phase=Phase.OBSERVE)
        return _passed(state, settings)
    code = _CODES[event.verdict]
    if event.verdict == "fail" or _on_doubt(event.verdict, settings) is OnDoubt.REJECT:
        return _undone(state, Outcome.REJECTED, event.reason, code)
    return replace(state, phase=Phase.HOLD, reason=event.reason, exit_code=code)


def _on_doubt(verdict: str, settings: ReleaseSettings) -> OnDoubt:
    return settings.on_marginal if verdict == "marginal" else settings.on_inconclusive


def _passed(state: ReleaseState, settings: ReleaseSettings) -> ReleaseState:
    if state.step + 1 < len(settings.steps):
        return replace(state, phase=Phase.SHIFT, step=state.step + 1)
    return replace(state, phase=Phase.SWITCH)


def _undone(state: ReleaseState, outcome: Outcome, reason: str, code: int) -> ReleaseState:
    """Return the state from which the release is undone. The outcome of the first reason stays."""
    if state.over or state.undoing:
        return state
    if state.phase in _PROMOTED:
        raise UsageError(
            f"expected a release that can still be undone, found one whose stable build is the new one already "
            f"({reason}): finish it with harness release resume, then release the previous build"
        )
    if state.phase is Phase.EXAMINE:  # nothing was changed, and nothing is known about the build
        return replace(state, phase=Phase.OVER, outcome=Outcome.ABORTED, reason=reason, exit_code=code)
    return replace(state, phase=Phase.UNDO_ROUTE, outcome=outcome, reason=reason, exit_code=code)


def _unexpected(state: ReleaseState, event: Event) -> UsageError:
    found = type(event).__name__.lower()
    return UsageError(f"a release in the phase {state.phase.value}: does not take the event {found!r}")


def can_roll_back(state: ReleaseState, settings: ReleaseSettings) -> bool:
    """Return whether a switch to the new build can be taken back at once."""
    switched = settings.strategy is Strategy.BLUE_GREEN and state.step > 0
    return switched and not state.over and not state.undoing and state.phase not in _PROMOTED
