"""Carry out a search for breaking points on a mesh: a steady phase, then one probe after the other.

Each probe is a load of its own under the fault, so no request of another amount counts. Whatever ends the search, the
engine reverts every change. A probe whose fault did not hit is no probe: the whole search then proves nothing. A probe
whose requests waited for a CPU is not believed (``credibility.py``), and is repeated like one that decided nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UsageError
from harness.explore.faults import Searched
from harness.explore.measuring import Outcome, outcome
from harness.explore.search import Probe, breaking_point, is_open, next_amount
from harness.explore.sending import Sender, Sent
from harness.load.parent.proofs import ON_TIME, load_proofs
from harness.model.breaking_point import TIME, BreakingPoint
from harness.model.objective import Objective
from harness.model.phase import PhaseKind
from harness.model.record import Record
from harness.model.samples import ARMS
from harness.model.verdict import Proof
from harness.runner.engine import Engine
from harness.runner.planning import plan_run
from harness.runner.proofs import proofs
from harness.runner.scenario import Scenario
from harness.runner.settings import Notify, Parts, Settings

_LONGER = 2.0
"""A probe that decided nothing is repeated for twice as long, up to the length of the steady phase."""
_MOST_STEADY = 3
"""How often the steady phase is sent until the machine has time for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One probe. outcomes: by arm."""

    amount: float
    seconds: float
    outcomes: Mapping[str, Outcome]

    @property
    def probe(self) -> Probe:
        """What the search needs of it."""
        return Probe(amount=self.amount, broke={arm: one.broke for arm, one in self.outcomes.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """A search that is over.

    ended: why it ended before it was complete, or empty. proofs: of the whole search.
    """

    searched: Searched
    objectives: tuple[Objective, ...]
    tried: tuple[Tried, ...]
    proofs: tuple[Proof, ...]
    ended: str = ""
    seconds: float = 0.0

    def point(self, arm: str) -> BreakingPoint:
        """Return what is known of an arm."""
        return breaking_point([one.probe for one in self.tried], arm)

    def doubts(self, arm: str) -> tuple[str, ...]:
        """Return why probes are not believed that leave an arm's interval wider than was asked; none if they do not."""
        if not is_open([one.probe for one in self.tried], self.searched.range, arm):
            return ()
        return tuple(why for one in self.tried if (why := one.outcomes[arm].doubt))

    @property
    def unproven(self) -> str:
        """Why the search proves nothing, or an empty string."""
        failed = [proof for proof in self.proofs if not proof.held]
        if failed:
            return f"{failed[0].name}: expected {failed[0].expected}, found {failed[0].observed}"
        return "" if self.tried else "no amount was tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long an amount is tried at first, and how long the whole search may take; in seconds."""

    probe_s: float = 5.0
    most_s: float = 600.0


@dataclass(slots=True, kw_only=True)
class _Search:
    """What a search has found so far. steady: the phase that probes are compared with; None before it was sent."""

    sender: Sender
    scenario: Scenario
    searched: Searched
    elapsed: Callable[[], float]
    tried: list[Tried] = field(default_factory=list)
    steady: Sent | None = None

    def note(self, text: str) -> None:
        """Tell what happens, by the clock of the other events."""
        self.sender.engine.note(text)


def explore(
    searched: Searched,
    scenario: Scenario,
    settings: Settings,
    parts: Parts,
    *,
    times: Times,
    owner: str,
    folder: Path,
    notify: Notify,
) -> Exploration:
    """Search until both breaking points are known, or the time is over.

    scenario: load, rate, objectives, and the length of the steady phase, which is the longest probe too. Raises
    HarnessError, after everything is reverted, if the search failed.
    """
    plan = plan_run(scenario, settings, target=parts.mesh.target)
    if not scenario.objectives:
        raise UsageError("explore: expected an objective, found none")
    started = parts.now()
    with Engine(settings, parts, owner=owner, notify=notify) as engine:
        engine.check([[searched.of(searched.range.low)]])
        engine.split()
        search = _Search(
            sender=Sender(engine, plan, settings, parts.mesh, folder), scenario=scenario, searched=searched,
            elapsed=lambda: parts.now() - started,
        )  # fmt: skip
        steady = _steady(search)
        search.steady = None if steady is None or steady.late else steady  # nothing would be proven
        ended = _probes(search, times)
        record = engine.finish(plan)
    return Exploration(
        searched=searched,
        objectives=scenario.objectives,
        tried=tuple(search.tried),
        proofs=(*_load_proofs(record, steady), *proofs(record)),
        ended=record.aborted or ended,
        seconds=parts.now() - started,
    )


def _load_proofs(record: Record, steady: Sent | None) -> Iterator[Proof]:
    """Yield the proofs about all loads. A late probe is not believed, so only the steady phase must be on time."""
    for proof in load_proofs(record.load):
        if proof.name != ON_TIME:
            yield proof
        elif steady is not None and steady.on_time is not None:
            yield steady.on_time


def _steady(search: _Search) -> Sent | None:
    """Send the steady phase, and again while it is not calm. Return the last one, or the one that waited least."""
    sent: list[Sent] = []
    while len(sent) < _MOST_STEADY:
        one = search.sender.send("steady", PhaseKind.STEADY, search.scenario.steady_s)
        if one is None:
            return None
        sent.append(one)
        if not one.late and (not _by_latency(search.scenario) or one.is_calm(search.searched.range.precision)):
            break
        search.note("the machine was busy in the steady phase")
    return min(sent, key=lambda one: (bool(one.late), max(one.waits_s.values(), default=0.0)))


def _by_latency(scenario: Scenario) -> bool:
    return any(one.quantile is not None for one in scenario.objectives)


def _probes(search: _Search, times: Times) -> str:
    """Try amounts until the search is over. Return why it ended early, or an empty string."""
    while search.steady is not None:
        amount = next_amount([one.probe for one in search.tried], search.searched.range)
        if amount is None:
            return ""
        if search.elapsed() > times.most_s:
            return "the time is over"
        again = [one.seconds for one in search.tried if one.amount == amount]
        seconds = min(max(again, default=times.probe_s / _LONGER) * _LONGER, search.scenario.steady_s)
        if not _try(search, search.steady, amount, seconds):
            return "the run ended early"
    return "the run ended early"


def _try(search: _Search, steady: Sent, amount: float, seconds: float) -> bool:
    """Try one amount for some seconds. Return False if the run ended."""
    fault = search.searched.of(amount)
    text = fault.words().text
    with search.sender.engine.inject(fault, phase=text):
        seen = search.sender.send(text, PhaseKind.FAULT, seconds, faults=(text,))
    if seen is None:
        return False
    outcomes = {arm: _outcome(search, steady, seen, arm, amount) for arm in ARMS}
    search.tried.append(Tried(amount=amount, seconds=seconds, outcomes=outcomes))
    search.note(f"{text}: {', '.join(_said(*one) for one in outcomes.items())}")
    return True


def _outcome(search: _Search, steady: Sent, seen: Sent, arm: str, amount: float) -> Outcome:
    told = outcome(
        steady.samples,
        seen.samples,
        ARMS.index(arm),
        search.scenario.objectives,
        seconds=seen.seconds,
        settings=search.sender.plan.judge,
    )
    precision, usual_s = search.searched.range.precision, steady.usual_s(arm)
    if search.searched.what == TIME:
        return seen.compared(steady, told, arm, precision * amount)
    # A share of requests is harsher by more failures. Waits of less than an answer's usual time hardly make any.
    return seen.compared(steady, told, arm, precision * usual_s, failing_s=usual_s)


def _said(arm: str, one: Outcome) -> str:
    word = "undecided" if one.broke is None else "breaks" if one.broke else "withstands it"
    return f"{arm} {word} ({one.failed:.1%} failed{f'; {one.doubt}' if one.doubt else ''})"
