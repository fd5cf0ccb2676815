"""Take a run of several faults apart that shared one steady phase: a record for each fault, as if it had run alone.

The shared run has a fault phase and a recovery phase for each fault. The record of one fault has the warm-up and the
steady phase, and its own two phases moved right behind them, with their requests, events and counts. What went wrong in
the shared run as a whole becomes an event of each record, and so does a recovery just before that was not one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.model.load import LoadReport
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Event, Record, Series
from harness.model.samples import Samples
from harness.model.verdict import Analysis, Finding, Verdict
from harness.runner.ending import DEATH
from harness.runner.proofs import SHARED, seconds_of, shared_proofs


def taken_apart(record: Record, count: int) -> tuple[Record, ...]:
    """Return a record for each of ``count`` faults, in the order in which they were injected.

    A fault that the run did not get to has no fault phase, and says why the run ended.
    """
    died_s = _died_s(record)
    unproven = [proof for proof in shared_proofs(record, until_s=died_s) if not proof.held]
    wrong = [f"the shared run: {proof.name}: expected {proof.expected}, found {proof.observed}" for proof in unproven]
    return tuple(_part(record, number, wrong, died_s) for number in range(1, count + 1))


def _died_s(record: Record) -> float:
    """Return when an arm died, or infinity: it may have been silent for a while before anybody could be sure."""
    died = (event for event in record.events if event.kind == DEATH)
    over_s = max((phase.end_s for phase in record.phases), default=0.0)
    return min((max(min(each.at_s, over_s) - seconds_of(each, "silent_s"), 0.0) for each in died), default=math.inf)


def carrying_over(records: Sequence[Record], decide: Callable[[Record], Analysis]) -> Iterator[Record]:
    """Yield the records, with an event in each that follows a fault from which the canary had not recovered.

    decide: judges a record; its findings about the recovery tell.
    """
    before: Analysis | None = None
    for record in records:
        analysis, before = before, decide(record)
        failed = [] if analysis is None else [each for each in analysis.findings if _is_failed_recovery(each)]
        if failed:
            text = f"the recovery just before was beyond a tolerance ({failed[0].objective.text}): it may carry over"
            yield replace(record, events=(*record.events, Event(at_s=0.0, kind=SHARED, text=text)))
        else:
            yield record


def _is_failed_recovery(finding: Finding) -> bool:
    return finding.phase == PhaseKind.RECOVERY.value and finding.verdict is Verdict.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A stretch of the shared run that is moved to the end of the steady phase.

    steady_s: when that ends. start_s, end_s: the stretch. over_s: when the last phase of the run ended.
    """

    steady_s: float
    start_s: float
    end_s: float
    over_s: float

    @property
    def shift_s(self) -> float:
        return self.start_s - self.steady_s

    def moved(self, at_s: float) -> float | None:
        """Return the new time of something at ``at_s``, or None for what belongs to another fault."""
        if at_s < self.steady_s:
            return at_s
        if self.start_s <= at_s < self.end_s:
            return at_s - self.shift_s
        return at_s - self.over_s + self.end_s - self.shift_s if at_s >= self.over_s else None


def _part(record: Record, number: int, wrong: Sequence[str], died_s: float) -> Record:
    own = {f"{kind.value} {number}": kind.value for kind in (PhaseKind.FAULT, PhaseKind.RECOVERY)}
    shared = [phase for phase in record.phases if phase.kind in {PhaseKind.WARM_UP, PhaseKind.STEADY}]
    mine = [phase for phase in record.phases if phase.name in own]
    piece = _piece(record.phases, shared, mine)
    plan = tuple(_named(phase, own) for phase in record.plan.phases if phase.name in own or phase in _shared(record))
    done = len(mine) == len(own) and (mine[-1] != record.phases[-1] or not record.aborted) and died_s > piece.end_s
    ended_here = not done and (bool(mine) or len(record.phases) == len(shared))
    undone = () if ended_here else tuple(f"{fault}: " for phase in record.phases[-1:] for fault in phase.faults)
    samples = _samples(record.samples, piece)
    events = (
        *_events(record.events, piece, died_s=died_s, others=undone),
        *(Event(at_s=0.0, kind=SHARED, text=text) for text in wrong),
    )
    return replace(
        record,
        plan=replace(record.plan, phases=plan),
        phases=(*shared, *(_moved(phase, piece, own) for phase in mine)),
        samples=samples,
        load=_load(record.load, samples),
        events=events,
        fault_counts=tuple(replace(each, phase=own[each.phase]) for each in record.fault_counts if each.phase in own),
        series=tuple(_series(each, piece) for each in record.series),
        hops=tuple(
            replace(each, phase=own.get(each.phase, each.phase))
            for each in record.hops
            if each.phase in own or each.phase in {phase.name for phase in shared}
        ),
        proxy_requests={},
        aborted="" if done else record.aborted,
    )


def _shared(record: Record) -> list[PhasePlan]:
    return [phase for phase in record.plan.phases if phase.kind in {PhaseKind.WARM_UP, PhaseKind.STEADY}]


def _named(phase: PhasePlan, own: dict[str, str]) -> PhasePlan:
    return replace(phase, name=own.get(phase.name, phase.name))


def _piece(phases: Sequence[Phase], shared: Sequence[Phase], mine: Sequence[Phase]) -> _Piece:
    over_s = max((phase.end_s for phase in phases), default=0.0)
    steady_s = max((phase.end_s for phase in shared), default=0.0)
    if not mine:
        return _Piece(steady_s=steady_s, start_s=over_s, end_s=over_s, over_s=over_s)
    start_s = max(phase.end_s for phase in phases if phase.end_s <= mine[0].start_s)
    return _Piece(steady_s=steady_s, start_s=start_s, end_s=mine[-1].end_s, over_s=over_s)


def _moved(phase: Phase, piece: _Piece, own: dict[str, str]) -> Phase:
    start_s, end_s = phase.start_s - piece.shift_s, phase.end_s - piece.shift_s
    return replace(phase, name=own[phase.name], start_s=start_s, end_s=end_s)


def _samples(samples: Samples, piece: _Piece) -> Samples:
    inside = (samples.due_s >= piece.start_s) & (samples.due_s < piece.end_s)
    kept = samples.where((samples.due_s < piece.steady_s) | inside)
    return replace(kept, due_s=np.where(kept.due_s < piece.steady_s, kept.due_s, kept.due_s - piece.shift_s))


def _series(series: Series, piece: _Piece) -> Series:
    points = [(piece.moved(at_s), value) for at_s, value in zip(series.at_s, series.values, strict=True)]
    kept = [(at_s, value) for at_s, value in points if at_s is not None]
    return replace(series, at_s=tuple(at_s for at_s, _ in kept), values=tuple(value for _, value in kept))


def _load(report: LoadReport | None, samples: Samples) -> LoadReport | None:
    """Return the report of the load with the lateness of these requests."""
    if report is None or not len(samples):
        return report
    p50_s, p99_s = np.quantile(samples.late_s, [0.5, 0.99]).tolist()
    return replace(report, late_p50_s=p50_s, late_p99_s=p99_s)


def _events(events: Sequence[Event], piece: _Piece, *, died_s: float, others: tuple[str, ...]) -> Iterator[Event]:
    """Yield the events of the piece. Drift concerns every fault; a death the one under which the arm died.

    died_s: when; a death before any fault concerns each of them. others: how the texts about faults begin that were
    still to be reverted at the end, under another fault.
    """
    for event in events:
        at_s = piece.moved(event.at_s)
        if event.kind == DEATH:
            if died_s <= piece.steady_s or piece.start_s < died_s <= piece.end_s:
                yield replace(event, at_s=piece.end_s - piece.shift_s)
        elif event.at_s >= piece.over_s and event.text.startswith(others):
            continue
        elif at_s is not None:
            yield replace(event, at_s=at_s)
        elif event.kind == "drift":
            yield replace(event, at_s=piece.steady_s)
