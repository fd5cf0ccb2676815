"""Turn a measurement into a finding: the verdict that the evidence supports, its confidence, and what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.judge.alpha_spending import SHOWN, SHOWN_IN_SHORT_PHASE, Look
from harness.judge.indicators import indicator_of, style_of
from harness.judge.indicators.port import Scene
from harness.judge.measure import Measurement, harmless, measure, smallest_visible
from harness.judge.missing_findings import nothing_to_compare
from harness.model import formatting
from harness.model.objective import Objective
from harness.model.record import Plan
from harness.model.units import format_duration
from harness.model.verdict import Finding, Verdict
from harness.stats.tails import t_quantile
from harness.stats.window import Window

REST_FACTOR = 3.0
_POWER_SIGMAS = 1.0  # 84 of 100 runs with this many requests show it


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    """One phase as one objective sees it.

    alpha: the part of the run's alpha for this objective and phase. stretches: the parts of the phase in which harm is
    looked for, the whole phase first, with their parts of alpha. pooled: a short phase's requests together with those
    of the steady phase.
    """

    look: Look
    scene: Scene
    plan: Plan
    alpha: float
    any_harm: bool
    stretches: tuple[tuple[Window, float], ...]
    pooled: Window | None = None


def finding_of(objective: Objective, view: PhaseView, *, known: tuple[str, ...]) -> Finding:
    """Return the objective's finding in one phase. ``known``: names of the endpoints of all requests, for messages."""
    measured = measure(objective, view.scene)
    if measured is None:
        return _without_evidence(objective, view, known)
    harm, beyond = _proofs(objective, view, measured)
    verdict = _verdict(objective, view, measured, harm=harm, beyond=beyond)
    tail = view.look.interval_tail
    limits = measured.interval(tail)
    error = measured.error(limits, tail)
    return Finding(
        objective=objective,
        phase=view.look.phase.name,
        baseline=measured.baseline,
        canary=measured.canary,
        difference=measured.difference,
        low=limits[0],
        high=limits[1],
        relative=measured.relative,
        confidence=1 - 2 * SHOWN,
        margin=measured.margin,
        verdict=verdict,
        reason=_reason(objective, view, measured, verdict, limits),
        score=0.0 if verdict is Verdict.FAIL else 100 * (1 - min(1.0, _shown_chance(objective, view, measured))),
        missing=_missing(objective, view, measured, error) if verdict is Verdict.INCONCLUSIVE else "",
        smallest_visible=smallest_visible(measured, error, view.look.proof_tail(view.alpha, view.look.seen_s)),
        method=measured.evidence.method,
    )


def _proofs(objective: Objective, view: PhaseView, whole: Measurement) -> tuple[bool, bool]:
    """Whether this part of the run's alpha proves harm, and whether it proves harm beyond the tolerance.

    Both use the same part: a canary exactly at its tolerance in many places must not fail more often than one that is
    as good as the baseline.
    """
    harm = beyond = False
    restarts = indicator_of(objective).restarts
    for stretch, part in view.stretches if restarts else ((view.scene.window, 1.0),):
        tail = view.look.proof_tail(view.alpha * part, stretch.seconds if restarts else view.look.seen_s)
        scene = replace(view.scene, window=stretch)
        whole_phase = stretch is view.scene.window
        if not whole_phase and harmless(objective, scene, tail):
            continue
        measured = whole if whole_phase else measure(objective, scene)
        if measured is None:
            continue
        harm = harm or measured.chances.harm <= tail
        beyond = beyond or max(measured.chances.harm, measured.chances.beyond) <= tail
    return harm, beyond


def _verdict(objective: Objective, view: PhaseView, measured: Measurement, *, harm: bool, beyond: bool) -> Verdict:
    if beyond or (harm and view.any_harm):
        return Verdict.FAIL
    if _shown_chance(objective, view, measured) <= SHOWN and _settled(objective, view):
        return Verdict.PASS
    return Verdict.MARGINAL if harm else Verdict.INCONCLUSIVE


def _settled(objective: Objective, view: PhaseView) -> bool:
    """Whether the phase would end within tolerance even if the rest of it went badly.

    Harm may begin late. So a phase passes before its end only if it stays within tolerance with a rest that is
    ``REST_FACTOR`` times worse than tolerated: what was observed must be within a smaller tolerance.
    """
    seen = min(view.look.seen_s / view.look.planned_s, 1.0)
    if view.look.complete or not objective.tolerates:
        return True
    part = (1 - REST_FACTOR * (1 - seen)) / seen if seen > 0 else 0.0
    if part <= 0:
        return False
    smaller = replace(
        objective,
        relative=None if objective.relative is None else objective.relative * part,
        absolute=None if objective.absolute is None else objective.absolute * part,
    )
    measured = measure(smaller, view.scene)
    return measured is not None and _shown_chance(smaller, view, measured) <= SHOWN


def _shown_chance(objective: Objective, view: PhaseView, measured: Measurement) -> float:
    """The chance of being beyond tolerance, on a scale where ``SHOWN`` is enough for a pass.

    A phase that is not complete needs a bound that holds at every look. A short phase needs less confidence, or is
    judged together with the steady phase as long as nothing points to harm.
    """
    own = measured.chances.within
    if not view.look.complete:
        needed = view.look.shown_tail
        return own * SHOWN / needed if needed > 0 else 1.0
    if not view.look.short:
        return own
    own *= SHOWN / SHOWN_IN_SHORT_PHASE
    if view.pooled is None or measured.chances.harm <= 0.05 or not objective.tolerates:
        return own
    pooled = measure(objective, replace(view.scene, window=view.pooled))
    return own if pooled is None else min(own, pooled.chances.within)


def _reason(
    objective: Objective,
    view: PhaseView,
    measured: Measurement,
    verdict: Verdict,
    limits: tuple[float, float],
) -> str:
    place = f"{objective.name}{_labels(objective)} in the {view.look.phase.name} phase"
    style = style_of(objective)
    numbers = formatting.comparison(
        measured.baseline, measured.canary, measured.difference, limits, style, relative=measured.relative
    )
    tolerance = _tolerance(objective, measured, style)
    word = {
        Verdict.FAIL: "is worse than tolerated" if not view.any_harm else "is proven worse",
        Verdict.PASS: "is within tolerance",
        Verdict.MARGINAL: "is worse, but not shown to be beyond tolerance",
        Verdict.INCONCLUSIVE: "is not shown to be within tolerance",
    }[verdict]
    if verdict is Verdict.INCONCLUSIVE and _shown_chance(objective, view, measured) <= SHOWN:
        word = "is within tolerance so far, and not so clearly that harm in the rest of the phase could not change it"
    return f"{place} {word}: {numbers}; {tolerance}"


def _tolerance(objective: Objective, measured: Measurement, style: formatting.Style) -> str:
    """What is tolerated: the margin, the limit, or both."""
    parts = []
    if measured.margin is not None:
        parts.append(f"tolerance {formatting.difference(measured.margin, style, relative=measured.relative)}")
    if objective.limit is not None:
        parts.append(f"limit {style.show(objective.limit)}")
    return ", ".join(parts)


def _labels(objective: Objective) -> str:
    return f" of {objective.labels['endpoint']}" if "endpoint" in objective.labels else ""


def _missing(objective: Objective, view: PhaseView, measured: Measurement, error: float | None) -> str:
    """How many canary requests, and seconds at this rate, would settle the finding either way."""
    difference, margin, have = measured.difference, measured.margin, measured.canary.n
    if measured.relative and measured.baseline.value == 0 and margin is not None:
        return "an absolute tolerance: the baseline is 0, and no difference is a share of that"
    what = indicator_of(objective).counted
    if error is None or difference is None or margin is None or have == 0:
        return f"more than {have:,} {what}, which are too few to say"
    if measured.relative:
        difference, margin = math.log1p(max(difference, -0.99)), math.log1p(max(margin, -0.99))
    towards_worse = difference * math.copysign(1.0, margin)
    distance = abs(margin) - max(towards_worse, 0.0)
    tail = SHOWN if distance > 0 else view.look.proof_tail(view.alpha, view.look.planned_s)
    if abs(distance) <= 0.1 * abs(margin) or tail <= 0:
        return "the estimate is at the edge of the tolerance: more requests alone may not settle it"
    sigmas = t_quantile(tail, measured.evidence.degrees) + _POWER_SIGMAS
    need = have * (sigmas * error / distance) ** 2
    if need <= have:
        return f"{have:,} {what} are enough, if the phase goes on like this to its end"
    rate = have / max(view.scene.window.seconds, view.scene.window.block_s)
    return (
        f"{have:,} of about {formatting.rounded_count(need)} {what}; "
        f"{format_duration((need - have) / rate)} more at {rate:.3g} a second"
    )


def _without_evidence(objective: Objective, view: PhaseView, known: tuple[str, ...]) -> Finding:
    place = f"{objective.name}{_labels(objective)} in the {view.look.phase.name} phase"
    why, missing = nothing_to_compare(objective, view.scene, known)
    return Finding(
        objective=objective,
        phase=view.look.phase.name,
        baseline=None,
        canary=None,
        difference=None,
        low=None,
        high=None,
        relative=objective.relative is not None,
        confidence=1 - 2 * SHOWN,
        margin=None,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{place}: {why}",
        missing=missing,
    )
