"""The page of a release: one self-contained file with the chain of steps, times, weights, verdicts and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from harness.model.formatting import counted, points
from harness.model.release import FIRST, DecisionKind, Hold, Outcome, Phase, ReleaseRecord, ReleaseState, StepResult
from harness.model.units import format_duration, format_percent
from harness.report.templating import document

_RELOAD_S = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link of the chain. state: done, now, held, failed or later."""

    title: str
    state: str
    detail: str
    results: tuple[StepResult, ...] = ()


def render(record: ReleaseRecord) -> str:
    """Render the page of a release. While it is not over, the page loads itself again every few seconds."""
    return document(
        "release.html",
        "release.js",
        record=record,
        state=record.state,
        headline=headline(record.state),
        tone=_tone(record.state),
        chain=chain(record),
        builds=[(build, record.identities.get(build.service, "not known yet")) for build in record.plan.builds],
        holds=[(hold, _decided(hold)) for hold in record.holds],
        reload_s=0 if record.state.over else _RELOAD_S,
        clock=_clock,
        percent=format_percent,
        points=points,
        first=FIRST,
        users=users_of(record),
    )


def users_of(record: ReleaseRecord) -> str:
    """Return which build serves the users."""
    if record.state.over:
        return "all get the new build" if record.state.outcome is Outcome.PROMOTED else "as before the release"
    return record.users or "as before the release"


def headline(state: ReleaseState) -> str:
    """Return the state of a release in a few words."""
    if state.over:
        return "ended" if state.outcome is None else state.outcome.value
    if state.phase is Phase.HELD:
        return "held: a person decides"
    if state.undoing:
        return "being taken back"
    step = f"step {state.step + 1}"
    return {
        Phase.EXAMINE: "examining what runs",
        Phase.PIN: "keeping users on the running build",
        Phase.DEPLOY: "starting both arms",
        Phase.GATE: f"{step}: gate",
        Phase.OBSERVE: f"{step}: observing",
        Phase.SHIFT: f"{step}: shifting users",
        Phase.HOLD: f"{step}: taking users back for a hold",
        Phase.SWITCH: "promoting",
        Phase.PROMOTE: "promoting",
    }.get(state.phase, "promoted, cleaning up")


def chain(record: ReleaseRecord) -> tuple[Link, ...]:
    """Return the chain: deploy, each step, and the end."""
    state, steps = record.state, record.plan.settings.steps
    reached = _reached(state)
    alone = set(record.first) >= set(record.plan.services)
    arms = "two copies of the new build" if alone else "a canary and a fresh baseline"
    links = [Link(title="deploy", state=_standing(-1, reached, state), detail=arms)]
    for index, step in enumerate(steps):
        results = tuple(one for one in record.results if one.step == index)
        headers, count = ", ".join(f"{name}: {value}" for name, value in step.header.items()), len(step.scenarios)
        title = headers if headers and not step.weight else format_percent(step.weight)
        parts = [headers] if headers and step.weight else []
        parts += [counted(count, "scenario")] if count else []
        parts += [f"observe {format_duration(step.observe_s)}"] if step.observe_s else []
        links.append(
            Link(title=title, state=_standing(index, reached, state), detail=", ".join(parts), results=results)
        )
    end = "promote" if state.outcome in (None, Outcome.PROMOTED) else state.outcome.value
    links.append(Link(title=end, state=_end(state), detail=state.reason if state.outcome else ""))
    return tuple(links)


def _reached(state: ReleaseState) -> int:
    """Return the index of the step that a release is in; -1 before the first one."""
    before = (Phase.EXAMINE, Phase.PIN, Phase.DEPLOY)
    return -1 if state.phase in before else state.step


def _standing(index: int, reached: int, state: ReleaseState) -> str:
    if index < reached:
        return "done"
    if index > reached:
        return "later"
    if state.outcome is Outcome.PROMOTED or state.phase in (Phase.SWITCH, Phase.PROMOTE):
        return "done"
    if state.outcome is not None:
        return "failed"
    return "held" if state.phase in (Phase.HOLD, Phase.HELD) else "now"


def _end(state: ReleaseState) -> str:
    if state.outcome is None:
        return "now" if state.phase in (Phase.SWITCH, Phase.PROMOTE) else "later"
    if state.outcome is Outcome.PROMOTED:
        return "done" if state.over else "now"
    return "failed"


def _tone(state: ReleaseState) -> str:
    if state.outcome is Outcome.PROMOTED:
        return "pass"
    if state.outcome is not None:
        return "fail"
    return "marginal" if state.phase in (Phase.HOLD, Phase.HELD) else "inconclusive"


def _decided(hold: Hold) -> str:
    if hold.expired:
        return "nobody decided in time: rejected"
    if hold.decision is None:
        return f"waits until {_clock(hold.expires_s)}"
    word = "approved" if hold.decision.kind is DecisionKind.APPROVE else "rejected"
    return f"{word} by {hold.decision.by} at {_clock(hold.decision.at_s)}: {hold.decision.reason}"


def _clock(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
