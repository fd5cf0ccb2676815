"""Carry out a search for breaking points on a mesh: a steady phase, then one probe after the other.

Each probe is a load of its own under the fault, so no request of another amount counts. Whatever ends the search, the
engine reverts every change. A probe whose fault did not hit is no probe: the whole search then proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import UsageError
from harness.explore.faults import Searched
from harness.explore.measuring import Outcome, outcome, phase_samples
from harness.explore.search import Probe, breaking_point, next_amount
from harness.load.parent.proofs import load_proofs
from harness.model.breaking_point import BreakingPoint
from harness.model.objective import Objective
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Event, Plan
from harness.model.samples import ARMS, Samples
from harness.model.verdict import Proof
from harness.runner.engine import Engine
from harness.runner.planning import plan_run
from harness.runner.proofs import proofs
from harness.runner.scenario import Scenario
from harness.runner.settings import Notify, Parts, Settings

WARM_UP_S = 1.0
_LONGER = 2.0
"""A probe that decided nothing is repeated for twice as long, up to the length of the steady phase."""


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


@dataclass(slots=True)
class _Search:
    """What a search has so far."""

    engine: Engine
    plan: Plan
    folder: Path
    searched: Searched
    tried: list[Tried] = field(default_factory=list)
    steady: Samples | None = None
    elapsed: Callable[[], float] = lambda: 0.0

    def send(self, name: str, kind: PhaseKind, seconds: float, faults: tuple[str, ...] = ()) -> Samples | None:
        """Send one load, and return the samples of its phase; None if the run ended."""
        warm_up = PhasePlan(name="warm-up", kind=PhaseKind.WARM_UP, duration_s=WARM_UP_S)
        phase = PhasePlan(name=name, kind=kind, duration_s=seconds, faults=faults)
        self.engine.send(replace(self.plan, phases=(warm_up, phase)), folder=self.folder / f"load-{len(self.tried)}")
        sent = self.engine.loads[-1]
        if self.engine.ended():
            return None
        return phase_samples(sent.samples, sent.windows[-1])


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
        search = _Search(engine, plan, folder, searched, elapsed=lambda: parts.now() - started)
        search.steady = search.send("steady", PhaseKind.STEADY, scenario.steady_s)
        ended = _probes(search, scenario, notify, times)
        record = engine.finish(plan)
    return Exploration(
        searched=searched,
        objectives=scenario.objectives,
        tried=tuple(search.tried),
        proofs=(*load_proofs(record.load), *proofs(record)),
        ended=record.aborted or ended,
        seconds=parts.now() - started,
    )


def _probes(search: _Search, scenario: Scenario, notify: Notify, times: Times) -> str:
    """Try amounts until the search is over. Return why it ended early, or an empty string."""
    while search.steady is not None:
        amount = next_amount([one.probe for one in search.tried], search.searched.range)
        if amount is None:
            return ""
        if search.elapsed() > times.most_s:
            return "the time is over"
        again = [one.seconds for one in search.tried if one.amount == amount]
        seconds = min(max(again, default=times.probe_s / _LONGER) * _LONGER, scenario.steady_s)
        if not _try(search, scenario, amount, seconds, notify):
            return "the run ended early"
    return "the run ended early"


def _try(search: _Search, scenario: Scenario, amount: float, seconds: float, notify: Notify) -> bool:
    """Try one amount for some seconds. Return False if the run ended."""
    fault = search.searched.of(amount)
    text = fault.words().text
    with search.engine.inject(fault, phase=text):
        seen = search.send(text, PhaseKind.FAULT, seconds, faults=(text,))
    if seen is None or search.steady is None:
        return False
    outcomes = {
        name: outcome(search.steady, seen, arm, scenario.objectives, seconds=seconds, settings=search.plan.judge)
        for arm, name in enumerate(ARMS)
    }
    search.tried.append(Tried(amount=amount, seconds=seconds, outcomes=outcomes))
    said = ", ".join(f"{arm} {_word(one.broke)} ({one.failed:.1%} failed)" for arm, one in outcomes.items())
    notify(Event(at_s=search.elapsed(), kind="note", text=f"{text}: {said}"))
    return True


def _word(broke: bool | None) -> str:  # noqa: FBT001 - the value that is put into words
    return "undecided" if broke is None else "breaks" if broke else "withstands it"
