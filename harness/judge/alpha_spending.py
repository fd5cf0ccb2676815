"""Compute the evidence that one look at one objective in one phase needs, so that all looks keep the run's alpha.

The run's ``alpha`` is divided between objectives, phases and stretches of a phase. Each part is split again: some of
it is spent on looks on the way, the rest on one look when the phase is complete. The parts add up to at most ``alpha``,
so they may depend on each other in any way.

Looks on the way have a limit that is the same at each of them (``harness.stats.tails.bounded_tail``), because the
planned length of the phase is known. A phase that lasts longer is looked at with the limit for its true length. Harm
that begins late is looked for in later stretches, every ten seconds, and in short windows (``sudden_harm``). Most of
these stretches look for harm beyond the tolerance only: noise of one arm for seconds looks like small harm.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.judge.indicators import indicator_of
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan
from harness.model.sums import plain_sum
from harness.stats.tails import anytime_tail, bounded_tail

FINAL_PART, LATER_FINAL_PART = 0.6, 0.7
"""The parts of alpha for the last look: at a whole phase, and at a stretch that begins later."""
RESTART_PART = 0.2
SUDDEN_PART = 0.1
RESTART_EVERY_S, MOST_RESTARTS = 30.0, 15
LARGE_EVERY_S, MOST_LARGE = 10.0, 30
RESTARTS_FROM_S = 37.5
"""A shorter phase has no later stretches: what is left of it would be as short as a burst."""
FIRST_LOOK_S, FIRST_LATER_LOOK_S = 3.0, 25.0
"""Looks begin after so many seconds of a phase, or of a stretch that begins later and has no more history."""
FIRST_LOOK_PART = 1 / 60
SUDDEN_FROM_S = 25.0
"""A shorter phase has no short windows with a history."""
TUNED_AT = 1 / 20
SHOWN = 0.05
"""A pass needs one-sided 95 %: a canary exactly at its tolerance is shown to be within it with at most this chance.

A tolerance has one side, so only one side of an interval decides (Berger 1982; the intersection-union test needs no
correction for the number of objectives).
"""
INTERVAL_TAIL = 0.025
"""The tail on either side of the 95 % intervals that people read."""
SHOWN_IN_SHORT_PHASE = 0.2
SHORT_PHASE_S = 10.0
COMPLETE = 0.9
_SHORTEST_S = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Describes one phase at one look.

    planned_s: its planned length. complete: whether (nearly) all of it was observed. has_long_phase: whether the run
    also has a judged phase that is long enough to show every objective. over: whether no more of it will be observed.
    least_s: the shortest length of a phase that ends as soon as all its objectives are decided, otherwise None.
    """

    phase: Phase
    planned_s: float
    seen_s: float
    complete: bool
    has_long_phase: bool = True
    over: bool = False
    least_s: float | None = None

    @property
    def may_end(self) -> bool:
        """Whether the phase ends as soon as all its objectives are decided: harm in the rest of it does not matter."""
        return self.least_s is not None and self.seen_s >= COMPLETE * self.least_s

    @property
    def short(self) -> bool:
        """True if the phase is too short to show every objective but another is not; it needs less confidence."""
        return self.has_long_phase and self.planned_s < SHORT_PHASE_S

    @property
    def shown_tail(self) -> float:
        """The limit that the chance of being beyond tolerance must fall below for a pass.

        A phase that may end at any look spends half of it on those looks and half on the last one.
        """
        tail = SHOWN_IN_SHORT_PHASE if self.short else SHOWN
        if self.least_s is None:
            return tail if self.complete else self.anytime(tail, self.seen_s)
        every = bounded_tail(tail / 2, max(self.planned_s / self.least_s, 1.0)) if self.may_end else 0.0
        return tail / 2 if self.complete else every

    @property
    def interval_tail(self) -> float:
        """The tail on either side of a 95 % interval."""
        return INTERVAL_TAIL if self.complete else self.anytime(INTERVAL_TAIL, self.seen_s)

    def anytime(self, alpha: float, seen_s: float) -> float:
        """Return the tail for a look after ``seen_s`` seconds of a stretch, valid at every look."""
        return anytime_tail(alpha, seen_s, self.planned_s * TUNED_AT)

    def proof_tail(self, alpha: float, seen_s: float, *, later: bool = False) -> float:
        """Return the limit that the chance of no harm must fall below to prove harm.

        alpha: for the whole stretch. later: whether the stretch begins after the phase does.
        """
        first_s = max(self.planned_s * FIRST_LOOK_PART, FIRST_LATER_LOOK_S if later else FIRST_LOOK_S)
        last, every = LATER_FINAL_PART if later else FINAL_PART, 0.0
        if seen_s >= first_s - _SHORTEST_S:
            every = bounded_tail(alpha * (1 - last), max(self.planned_s / first_s, 1.0))
        return max(every, alpha * last) if self.complete else every


def looks(plan: Plan, phases: Sequence[Phase], *, now_s: float, final: bool) -> tuple[Look, ...]:
    """Return the judged phases that have begun, in order of time."""
    planned = {phase.name: phase.duration_s for phase in plan.phases}
    least = {phase.name: phase.least_s for phase in plan.phases}
    begun = sorted(phases, key=lambda phase: (phase.start_s, phase.name))
    last = begun[-1].name if begun else ""
    result = []
    for phase in begun:
        if not phase.kind.judged:
            continue
        seen = max(min(phase.end_s, now_s) - phase.start_s, 0.0)
        length = planned.get(phase.name, 0.0) or seen
        over = final or phase.name != last
        complete = over and seen >= COMPLETE * length
        planned_s = max(length, seen, _SHORTEST_S)
        least_s = least.get(phase.name)
        look = Look(phase=phase, planned_s=planned_s, seen_s=seen, complete=complete, over=over, least_s=least_s)
        result.append(look)
    lengths = [look.planned_s for look in result]
    lengths += [phase.duration_s for phase in plan.phases if phase.kind.judged]
    long = max(lengths, default=0.0) >= SHORT_PHASE_S
    return tuple(replace(look, has_long_phase=long) for look in result)


def applies(objective: Objective, kind: PhaseKind, name: str) -> bool:
    """Return whether an objective is judged in a phase of this kind and name."""
    if not kind.judged or objective.labels.get("phase", name) not in (name, kind.value):
        return False
    return indicator_of(objective).spec.phase in (None, kind)


def alpha_parts(plan: Plan, objectives: Sequence[Objective]) -> dict[tuple[int, str], float]:
    """Return the part of the plan's alpha by objective number and phase name; muted objectives get none."""
    weights = {
        (number, phase.name): indicator_of(objective).alpha_weight * math.sqrt(max(phase.duration_s, 1.0))
        for number, objective in enumerate(objectives)
        for phase in plan.phases
        if not objective.muted and applies(objective, phase.kind, phase.name)
    }
    total = plain_sum(weights.values())
    return {key: plan.judge.alpha * weight / total for key, weight in weights.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a stretch of a phase starts: the index of its ``first`` block, and its ``part`` of alpha.

    large: whether only harm beyond the tolerance is looked for in it.
    """

    first: int
    part: float
    large: bool = False


def large_every_s(planned_s: float) -> float:
    """Return the seconds between the starts of stretches in a phase of a planned length."""
    return max(LARGE_EVERY_S, planned_s / (MOST_LARGE + 1))


def starts(blocks: Sequence[int], block_s: float, planned_s: float) -> tuple[Start, ...]:
    """Return the starts of the stretches in which evidence is accumulated.

    The first stretch is the whole phase. In a long phase another one starts every ten seconds (less often in a phase of
    more than 5 minutes), because the time before the harm began would dilute it. Every third one (every second one in a
    phase of more than 6 minutes) also looks for harm within the tolerance; these share one half of the restarts' part
    of alpha, and the others the other half. Short windows have the rest of alpha.
    """
    left = 1.0 if planned_s < SUDDEN_FROM_S else 1 - SUDDEN_PART
    if planned_s < RESTARTS_FROM_S or not len(blocks):
        return (Start(first=0, part=left),)
    every_s = large_every_s(planned_s)
    each = max(round(max(RESTART_EVERY_S, planned_s / (MOST_RESTARTS + 1)) / every_s), 2)
    numbers = range(1, round(planned_s / every_s))
    small = sum(number % each == 0 for number in numbers)
    found = [Start(first=0, part=left - RESTART_PART)]
    for number in numbers:
        first = blocks[0] + round(number * every_s / block_s)
        index = bisect_left(blocks, first)
        if index < len(blocks):
            large = number % each != 0
            part = RESTART_PART / 2 / ((len(numbers) - small) if large else small)
            found.append(Start(first=index, part=part, large=large))
    return tuple(found)
