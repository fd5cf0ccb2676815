"""Require that the arms' status codes and errors are distributed alike.

Every status that moved beyond chance is named. Fewer server errors or missing answers are no objection: a canary may
be better than its baseline. Every other shift, in either direction, is an objection, because it changes what
callers get. Where an objective judges the errors, another mix of them is only told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge.implied import bounds_difference
from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.record import Plan
from harness.model.units import format_percent
from harness.stats.responses import Shift, response_mix, shifts

ALPHA = 1e-3
"""The chance that equal arms draw an objection, over all phases and kinds of responses."""
BLOCK_S = 1.0
MOST_BLOCKS = 3600
"""A phase of more seconds is compared in wider blocks."""
_NAMED = 3
_SERVER_ERROR = 500


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield one objection for each judged phase in which the mix shifted."""
    judged = [phase for phase in evidence.phases if phase.kind.judged]
    for phase in judged:
        compared = _compared(evidence, phase)
        moved = _answers_moved(compared, plan, alpha=ALPHA / len(judged))
        if moved:
            listed = "; ".join(_text(shift) for shift in moved[:_NAMED])
            more = f"; and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
            yield Objection(
                text=f"the arms answer differently in the {phase.name} phase: {listed}{more}; if this is intended, "
                f"declare it with {_declaration(moved[0])}, otherwise find out why"
            )
        errors = _errors_moved(compared, plan, alpha=ALPHA / len(judged))
        if errors:
            listed = "; ".join(map(_text, errors[:_NAMED]))
            yield Objection(text=f"the arms fail differently in the {phase.name} phase: {listed}", decides=False)


def _errors_moved(compared: Sequence[Shift], plan: Plan, *, alpha: float) -> list[Shift]:
    """Return the errors that moved beyond chance, in either direction, although an objective is about all of them."""
    moved = [
        shift
        for shift in compared
        if shift.chance < alpha / len(compared) and _is_error(shift) and _declared(shift, plan.objectives)
    ]
    return sorted(moved, key=lambda shift: -abs(shift.canary - shift.baseline))


def _answers_moved(compared: Sequence[Shift], plan: Plan, *, alpha: float) -> tuple[Shift, ...]:
    """Return the kinds of responses that moved beyond chance in one phase, the largest difference first.

    alpha: the chance that equal arms show any, in (0, 1). A status that an objective is about is left to it.
    """
    moved = [
        shift
        for shift in compared
        if shift.chance < alpha / len(compared) and _suspicious(shift) and not _declared(shift, plan.objectives)
    ]
    return tuple(sorted(moved, key=lambda shift: -abs(shift.canary - shift.baseline)))


def _compared(evidence: Evidence, phase: Phase) -> tuple[Shift, ...]:
    block_s = max(BLOCK_S, phase.duration_s / MOST_BLOCKS)
    mix = response_mix(evidence.samples, start_s=phase.start_s, end_s=phase.end_s, block_s=block_s)
    return shifts(mix, block_s=block_s)


def _suspicious(shift: Shift) -> bool:
    return shift.canary > shift.baseline or not _is_error(shift)


def _is_error(shift: Shift) -> bool:
    return shift.status == 0 or shift.status >= _SERVER_ERROR


def _declared(shift: Shift, objectives: tuple[Objective, ...]) -> bool:
    """Whether an unmuted objective without labels is about exactly this status or its class.

    Requests without an answer have no status, so only an objective about the error rate is about them. It is about
    server errors too, so that what it tolerates is not judged twice.
    """
    names = {f"status_{shift.status}", f"status_{shift.status // 100}xx"} if shift.status else set()
    if shift.status == 0 or shift.status >= _SERVER_ERROR:
        names.add("error_rate")
    return any(
        each.name in names and not each.muted and not each.labels and bounds_difference(each) for each in objectives
    )


def _declaration(shift: Shift) -> str:
    if not shift.status:
        return "an objective such as error_rate < +0.5pp and fix what does not answer"
    return f"an objective such as status_{shift.status // 100}xx < +0.5pp"


def _text(shift: Shift) -> str:
    return f"{shift.kind}: {format_percent(shift.baseline)} against {format_percent(shift.canary)}"
