"""Predict what a planned run will be able to decide, before a request is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.judge.alpha_spending import SHOWN, SHOWN_IN_SHORT_PHASE, Look, applies, looks, starts
from harness.judge.assumed import Assumed
from harness.judge.implied import shares_of_alpha
from harness.judge.indicators import indicator_of, style_of
from harness.judge.objectives import default_objectives
from harness.judge.prediction import Expected, Prediction
from harness.judge.sequential import FailOn, block_seconds, excess_of
from harness.model import formatting
from harness.model.objective import Objective
from harness.model.phase import Phase, PhasePlan
from harness.model.record import Plan
from harness.model.units import format_duration

POWER = 0.95
Assumptions = Assumed | Mapping[str, Assumed]
"""What is assumed of every phase, or of each by its name; phases that are not named are taken for the first one."""
_LONGEST_S = 7 * 86400.0
_CLOSE = 1.04  # lengths are accurate to 4 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """What one objective can show in one phase.

    smallest: the smallest difference that fails in 95 of 100 runs under the rule in force, in the unit of
    ``Finding.difference``; None if it cannot be predicted. relative: whether differences are shares of the baseline.
    shown: the smallest tolerance that an equal canary is shown to be within in 95 of 100 runs. tolerance: the one that
    the objective has, in the same unit; None if it has a limit only. requests: planned requests of the canary.
    seconds: the phase's length. rate_rps: planned requests per second of both arms. resolution: see
    ``harness.judge.prediction.Prediction``. needs_s: how long the phase would have to be to show the tolerance; None
    if it is long enough, or if no length is. short: whether the phase is only watched.
    """

    objective: Objective
    phase: str
    smallest: float | None
    shown: float | None
    relative: bool
    requests: float
    seconds: float = 0.0
    rate_rps: float = 0.0
    tolerance: float | None = None
    resolution: float = 0.0
    needs_s: float | None = None
    short: bool = False

    @property
    def decidable(self) -> bool | None:
        """Whether an equal canary passes in 95 of 100 runs; None if that cannot be predicted."""
        if self.shown is None or self.tolerance is None:
            return None
        return self.shown <= self.tolerance

    def __str__(self) -> str:
        place = f"{self.objective.text} in the {self.phase} phase"
        if self.smallest is None and self.shown is not None and math.isfinite(self.shown):
            passes = f"passes tolerances from {self._difference(self.shown)} on"
            return f"{place}: {passes}; what fails depends on the baseline's latency, which no recorded run tells"
        if self.smallest is None or self.shown is None:
            requests = formatting.rounded_count(self.requests)
            return f"{place}: depends on the readings; {requests} canary requests planned"
        seen, shown = self._difference(self.smallest), self._difference(self.shown)
        fails = f"fails from {seen} on" if math.isfinite(self.smallest) else "no difference is certain to fail"
        if self.decidable is None:
            return f"{place}: {fails}, passes tolerances from {shown} on"
        if self.decidable:
            return f"{place}: {'is watched' if self.short else 'can be shown'}; {fails}"
        where = f"in {format_duration(self.seconds)} at {self.rate_rps:.4g} requests/s"
        needs = f"needs {format_duration(self.needs_s)}" if self.needs_s is not None else "no length is enough"
        wider = f", or a tolerance of {shown}" if math.isfinite(self.shown) else ""
        return f"{place}: cannot be shown {where}; {needs}{wider}; {fails}"

    def _difference(self, size: float) -> str:
        return formatting.difference(size, style_of(self.objective), relative=self.relative)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What it takes to show an effect: canary requests in one phase, and seconds at the planned rate and share."""

    requests: float
    seconds: float

    def __str__(self) -> str:
        return f"{formatting.rounded_count(self.requests)} canary requests, {format_duration(self.seconds)}"


def visible_effects(
    plan: Plan,
    assumed: Assumptions | None = None,
    *,
    fail_on: FailOn = FailOn.BEYOND_TOLERANCE,
    lengths: bool = True,
) -> tuple[Visible, ...]:
    """Return what every objective can show in every judged phase of ``plan``, under the rule ``fail_on``.

    lengths: whether to find out how long phases would have to be, which takes most of the time.
    """
    return tuple(question.answer(lengths=lengths) for question in _questions(plan, assumed, fail_on))


def can_decide(plan: Plan) -> bool:
    """Return whether an equal canary is probably shown to be within the tolerance of one objective at least."""
    questions = _questions(plan, None, FailOn.BEYOND_TOLERANCE)
    return any(question.is_shown() for question in questions if not question.objective.muted)


def shows_all(plan: Plan, assumed: Assumptions, *, narrower: float) -> bool:
    """Return whether an equal canary is probably shown to be within each tolerance divided by ``narrower``.

    Objectives that have no tolerance or that cannot be predicted do not count.
    """
    questions = _questions(plan, assumed, FailOn.BEYOND_TOLERANCE)
    return all(question.is_shown(narrower) is not False for question in questions)


def _questions(plan: Plan, assumed: Assumptions | None, fail_on: FailOn) -> Iterator[_Question]:
    """Return each objective with each judged phase that it applies to."""
    objectives = plan.objectives or default_objectives()
    parts, _ = shares_of_alpha(plan, objectives)
    for number, objective in enumerate(objectives):
        for phase in plan.phases:
            if applies(objective, phase.kind, phase.name):
                yield _Question(
                    plan=plan,
                    objective=objective,
                    phase=phase,
                    alpha=parts.get((number, phase.name), plan.judge.alpha),
                    assumed=_of_phase(assumed, phase.name),
                    any_harm=fail_on is FailOn.ANY_HARM,
                )


def _of_phase(assumed: Assumptions | None, name: str) -> Assumed:
    if isinstance(assumed, Mapping):
        return assumed.get(name, next(iter(assumed.values()), Assumed()))
    return assumed or Assumed()


def undecidable(effects: tuple[Visible, ...]) -> str:
    """Return a warning if no objective of the run can be shown within its tolerance, otherwise an empty string."""
    predicted = [each for each in effects if each.decidable is not None and not each.objective.muted]
    if not predicted or len(predicted) < len(effects) or any(each.decidable for each in predicted):
        return ""
    lengths = [each.needs_s for each in predicted if each.needs_s is not None]
    needs = f"phases of {format_duration(min(lengths))} would show the first" if lengths else "use wider tolerances"
    return f"this run can decide no objective: even an equal canary will probably be inconclusive; {needs}"


def needed(plan: Plan, objective: Objective, effect: float, assumed: Assumptions | None = None) -> Need | None:
    """Return what one phase needs to prove that a canary is worse by ``effect``, in 95 of 100 runs.

    ``effect`` is in the unit of ``Visible.smallest``; the phase is the longest one the objective is judged in. None if
    that cannot be predicted.
    """
    phases = [phase for phase in plan.phases if applies(objective, phase.kind, phase.name)]
    if not phases or effect <= 0:
        return None
    objectives = plan.objectives or default_objectives()
    parts, _ = shares_of_alpha(plan, objectives)
    longest = max(phases, key=lambda phase: phase.duration_s)
    number = next((place for place, each in enumerate(objectives) if each == objective), -1)
    question = _Question(
        plan=plan,
        objective=objective,
        phase=longest,
        alpha=parts.get((number, longest.name), plan.judge.alpha),
        assumed=_of_phase(assumed, longest.name),
        any_harm=True,
    )
    seconds = question.shortest_s(lambda other: other.is_seen(effect))
    if seconds is None:
        return None
    return Need(requests=seconds * plan.rate_rps * plan.canary_share, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One objective in one planned phase.

    alpha: its part of the run's alpha. any_harm: whether any proven harm fails, or only harm beyond the tolerance.
    """

    plan: Plan
    objective: Objective
    phase: PhasePlan
    alpha: float
    assumed: Assumed
    any_harm: bool

    def answer(self, *, lengths: bool) -> Visible:
        """Return what can be shown. lengths: whether to find out how long the phase would have to be."""
        prediction = self._prediction()
        tolerance = self._tolerance()
        seen = Visible(
            objective=self.objective,
            phase=self.phase.name,
            smallest=None,
            shown=None,
            relative=self._relative() if prediction is None else prediction.relative,
            requests=self.plan.rate_rps * self.phase.duration_s * self.plan.canary_share,
            seconds=self.phase.duration_s,
            rate_rps=self.plan.rate_rps,
            tolerance=tolerance,
            short=self._look().short,
        )
        if prediction is None:
            return seen
        seen = replace(seen, smallest=self.smallest(), shown=self.shown(), resolution=prediction.resolution)
        if lengths and seen.decidable is False and tolerance is not None:
            seen = replace(seen, needs_s=self.shortest_s(lambda other: other.is_shown() is True))
        return seen

    def smallest(self) -> float | None:
        """Return the smallest difference that fails in 95 of 100 runs; None if its tolerance is not known."""
        prediction = self._prediction()
        if prediction is None:
            return math.inf
        if self._unscaled() and not self.any_harm:
            return None
        margin = 0.0 if self.any_harm else self._tolerance() or 0.0
        return prediction.fails_from(self._fail_tail(), power=POWER, margin=margin)

    def is_seen(self, effect: float) -> bool:
        """Return whether an effect fails in 95 of 100 runs if any proven harm does."""
        prediction = self._prediction()
        return prediction is not None and prediction.fails(effect, self._fail_tail(), power=POWER)

    def shortest_s(self, enough: Callable[[_Question], bool]) -> float | None:
        """Return the shortest length of the phase for which ``enough`` holds, accurate to 4 %; None if none does."""
        low = high = max(self.phase.duration_s, 1.0)
        if enough(self._lasting(high)):
            while high > 1.0 and enough(self._lasting(high / 2)):
                high /= 2
            low = high / 2
        else:
            while not enough(self._lasting(high)):
                low, high = high, high * 2
                if high > _LONGEST_S:
                    return None
        while high > low * _CLOSE:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if enough(self._lasting(middle)) else (middle, high)
        return high

    def _lasting(self, seconds: float) -> _Question:
        phase = replace(self.phase, duration_s=seconds)
        phases = tuple(phase if each.name == phase.name else each for each in self.plan.phases)
        return replace(self, phase=phase, plan=replace(self.plan, phases=phases))

    def shown(self) -> float:
        """Return the smallest tolerance that an equal canary is shown to be within, in 95 of 100 runs."""
        prediction = self._prediction()
        return math.inf if prediction is None else prediction.passes_from(self._pass_tail(), power=POWER)

    def is_shown(self, narrower: float = 1.0) -> bool | None:
        """Return whether an equal canary is shown, in 95 of 100 runs, to be within the tolerance over ``narrower``.

        None if the objective has no tolerance or cannot be predicted.
        """
        prediction, tolerance = self._prediction(), self._tolerance()
        if prediction is None or tolerance is None:
            return None
        return prediction.passes(tolerance / narrower, self._pass_tail(), power=POWER)

    def _relative(self) -> bool:
        return self.objective.relative is not None or indicator_of(self.objective).spec.relative

    def _tolerance(self) -> float | None:
        """Return the tolerance in the unit of differences, as far as it is known."""
        objective = self.objective
        if not self._relative():
            return objective.absolute
        if objective.absolute is None or objective.quantile is None or self._unscaled():
            return objective.relative
        latency_s = math.exp(self._assumed().shape.place(1 - objective.quantile))
        return max(objective.relative or 0.0, objective.absolute / latency_s)

    def _unscaled(self) -> bool:
        """Whether a tolerance in seconds has to be compared with a latency that is not known."""
        objective = self.objective
        seconds = objective.quantile is not None and objective.absolute is not None
        return seconds and self._relative() and not self._assumed().shape.scaled

    def _assumed(self) -> Assumed:
        """Return what is assumed of the requests that the objective is about."""
        return self.assumed.endpoints.get(self.objective.labels.get("endpoint", ""), self.assumed)

    def _pass_tail(self) -> float:
        return SHOWN_IN_SHORT_PHASE if self._look().short else SHOWN

    def _fail_tail(self) -> float:
        return self._look().proof_tail(self.alpha * self._first_part(), self.phase.duration_s)

    def _prediction(self) -> Prediction | None:
        seconds, share, assumed = self.phase.duration_s, self.plan.canary_share, self._assumed()
        rate_rps, block_s = self.plan.rate_rps * assumed.part, block_seconds(self.plan)
        weight = rate_rps * seconds * share * (1 - share)
        requests = rate_rps * block_s * (1 - share), rate_rps * block_s * share
        calm = assumed.calm(self.objective.quantile, requests=requests)
        known = 1 + excess_of(self.plan, self.objective) * weight / seconds if seconds > 0 else 1.0
        expected = Expected(
            weight=weight,
            blocks=seconds / block_s,
            seconds=seconds,
            share=share,
            assumed=replace(assumed, overdispersion=max(assumed.overdispersion, known) - 1 + calm),
        )
        return indicator_of(self.objective).predict(self.objective, expected)

    def _look(self) -> Look:
        """Return the look at the end of the run."""
        seconds = max(self.phase.duration_s, 1e-3)
        window = Phase(name=self.phase.name, kind=self.phase.kind, start_s=0.0, end_s=seconds)
        return looks(self.plan, (window,), now_s=seconds, final=True)[0]

    def _first_part(self) -> float:
        """Return the part of alpha that goes to the whole phase; the rest goes to its later stretches."""
        if not indicator_of(self.objective).restarts:
            return 1.0
        block_s = block_seconds(self.plan)
        blocks = range(max(math.ceil(self.phase.duration_s / block_s), 1))
        return starts(blocks, block_s, self.phase.duration_s)[0].part
