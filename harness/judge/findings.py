"""Turn a measurement into a finding: the verdict that the evidence supports, its confidence, and what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.judge.alpha_spending import INTERVAL_TAIL, SHOWN, SHOWN_IN_SHORT_PHASE, Start
from harness.judge.blame import places_of
from harness.judge.indicators import indicator_of
from harness.judge.measure import Measurement, chance_within, harmless, measure, smallest_visible
from harness.judge.missing_findings import nothing_to_compare
from harness.judge.scoring import failed_score
from harness.judge.screening import screened
from harness.judge.sudden_harm import History, history_of, is_rare, sudden_harm, with_history
from harness.judge.survivors import FailureRates, more_failures, ranked
from harness.judge.view import PhaseView, Shown
from harness.judge.wording import blurred_by, missing_of, place_of, reason_of
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.units import format_percent
from harness.model.verdict import Finding, Verdict
from harness.stats.window import Window

REST_FACTOR = 3.0
_NEARLY_ONE = 0.9999
_NO_MORE_FAILURES = "a canary that fails no more of its requests than the baseline; more requests do not settle it"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """Holds a stretch of a phase, and the ``tail`` probability that a proof in it needs."""

    window: Window
    measured: Measurement
    tail: float


def finding_of(objective: Objective, view: PhaseView, *, known: tuple[str, ...]) -> Finding:
    """Return the objective's finding in one phase. known: all endpoint names, for messages."""
    measured = measure(objective, view.scene)
    if measured is None:
        return _without_evidence(objective, view, known)
    harm, beyond = _proofs(objective, view, measured)
    chance = _shown_chance(objective, view, measured)
    verdict = _verdict(objective, view, measured, chance, harm=harm, beyond=beyond)
    hidden, ranked_chance = _hidden_failures(objective, view) if verdict is Verdict.PASS else (None, 0.0)
    if hidden is not None:
        verdict = Verdict.MARGINAL if harm is not None else Verdict.INCONCLUSIVE
        chance = max(chance, ranked_chance)
    proof = (beyond or harm) if verdict is Verdict.FAIL else harm
    shown = _shown(objective, view, verdict, proof or _whole(objective, view, measured))
    rounded = blurred_by(measured) if verdict is Verdict.INCONCLUSIVE else ""
    note = rounded if hidden is None else str(hidden)
    shown = replace(shown, note=note) if note else shown
    where = places_of(objective, view, proof.window) if proof and verdict is Verdict.FAIL else ""
    tail = view.look.interval_tail
    plain = shown.measured is measured and shown.confidence == 1 - 2 * INTERVAL_TAIL
    error = measured.error(shown.limits if plain else measured.interval(tail), tail)
    missing = ""
    if verdict is Verdict.INCONCLUSIVE:
        missing = _NO_MORE_FAILURES if hidden is not None else missing_of(objective, view, measured, error)
    reason = reason_of(objective, view, shown, verdict, within=hidden is None and chance <= SHOWN)
    finding = _finding(
        objective,
        view,
        shown,
        verdict,
        reason=reason + (f"; {where}" if where else ""),
        missing=missing,
        score=100 * (1 - min(1.0, chance)),
        visible=smallest_visible(measured, error, view.look.proof_tail(view.alpha, view.look.seen_s)),
    )
    return replace(finding, score=failed_score(finding, view.plan.judge)) if verdict is Verdict.FAIL else finding


def _finding(
    objective: Objective,
    view: PhaseView,
    shown: Shown,
    verdict: Verdict,
    *,
    reason: str,
    missing: str,
    score: float,
    visible: float | None,
) -> Finding:
    """Return a finding with the numbers that decided it."""
    return Finding(
        objective=objective,
        phase=view.look.phase.name,
        baseline=shown.measured.baseline,
        canary=shown.measured.canary,
        difference=shown.measured.difference,
        low=shown.limits[0],
        high=shown.limits[1],
        relative=shown.measured.relative,
        confidence=shown.confidence,
        margin=shown.measured.margin,
        verdict=verdict,
        reason=reason,
        missing=missing,
        score=score,
        smallest_visible=visible,
        method=shown.measured.evidence.method,
        watched=view.look.short,
    )


def _proofs(objective: Objective, view: PhaseView, whole: Measurement) -> tuple[_Proof | None, _Proof | None]:
    """Return the first stretch that proves harm, and the first that proves harm beyond the tolerance.

    Both use the same part of the run's alpha: a canary exactly at its tolerance in many places must not fail more
    often than one that is as good as the baseline.
    """
    proof = _whole(objective, view, whole)
    harm = proof if whole.chances.harm <= proof.tail else None
    beyond = proof if max(whole.chances.harm, whole.chances.beyond) <= proof.tail else None
    if indicator_of(objective).restarts:
        harm, beyond = _later_proofs(objective, view, harm, beyond)
    sudden = sudden_harm(objective, view) if beyond is None else None
    if sudden is not None:
        beyond = _Proof(window=sudden.window, measured=sudden.measured, tail=sudden.tail)
    return harm or beyond, beyond


def _later_proofs(
    objective: Objective, view: PhaseView, harm: _Proof | None, beyond: _Proof | None
) -> tuple[_Proof | None, _Proof | None]:
    """Return ``harm`` and ``beyond``, or the first stretches that start later in the phase and prove them.

    Rare quantiles are not looked for in the stretches between: pauses come by chance to one arm for some seconds.
    """
    known, history = screened(objective, view.scene, view.later), history_of(objective, view)
    for number, start in enumerate(view.starts[1:]):
        if start.large and is_rare(objective):
            continue
        only_beyond = start.large or harm is not None
        if (only_beyond and beyond is not None) or (known.beyond if only_beyond else known.harm)[number]:
            continue
        stretch = view.later.windows[number]()
        tail = view.look.proof_tail(view.alpha * start.part, stretch.seconds, later=True)
        if harmless(objective, replace(view.scene, window=stretch), tail):
            continue
        if not only_beyond:
            measured = _later(objective, view, start, history)
            if measured is not None and measured.chances.harm <= tail:
                harm = _Proof(window=stretch, measured=measured, tail=tail)
        if beyond is None:
            measured = _later(objective, view, start, history, clear=True)
            if measured is not None and max(measured.chances.harm, measured.chances.beyond) <= tail:
                beyond = _Proof(window=stretch, measured=measured, tail=tail)
    return harm, beyond


def _later(
    objective: Objective, view: PhaseView, start: Start, history: History, *, clear: bool = False
) -> Measurement | None:
    return measure(objective, with_history(objective, view, start.first, history, clear=clear))


def _whole(objective: Objective, view: PhaseView, measured: Measurement) -> _Proof:
    """Return the whole phase with the probability that a proof in it needs."""
    restarts = indicator_of(objective).restarts
    seen_s, part = (view.scene.window.seconds, view.starts[0].part) if restarts else (view.look.seen_s, 1.0)
    return _Proof(window=view.scene.window, measured=measured, tail=view.look.proof_tail(view.alpha * part, seen_s))


def _verdict(
    objective: Objective,
    view: PhaseView,
    measured: Measurement,
    chance: float,
    *,
    harm: _Proof | None,
    beyond: _Proof | None,
) -> Verdict:
    if beyond is not None or (harm is not None and view.any_harm):
        return Verdict.FAIL
    if chance <= SHOWN and _settled(objective, view, measured):
        return Verdict.PASS
    return Verdict.INCONCLUSIVE if harm is None else Verdict.MARGINAL


def _hidden_failures(objective: Objective, view: PhaseView) -> tuple[FailureRates | None, float]:
    """Return the failure rates that forbid a pass of latencies, and the chance of being beyond tolerance with them."""
    failures = more_failures(objective, view.scene)
    if failures is None:
        return None, 0.0
    pooled = None if view.pooled is None else view.pooled.ranked()
    other = replace(view, scene=ranked(view.scene), pooled=pooled)
    measured = measure(objective, other.scene)
    if measured is None:
        return failures, 1.0
    chance = _shown_chance(objective, other, measured)
    return (None, chance) if chance <= SHOWN and _settled(objective, other, measured) else (failures, chance)


def _shown(objective: Objective, view: PhaseView, verdict: Verdict, proof: _Proof) -> Shown:
    """Return the numbers behind the verdict: those of the stretch with the proof, at the confidence it needed."""
    measured, look = proof.measured, view.look
    if verdict is Verdict.PASS and look.short:
        return _shown_in_short_phase(objective, view, measured)
    whole = proof.window is view.scene.window
    seen_s = look.seen_s if whole else proof.window.seconds
    tail = INTERVAL_TAIL if look.complete else look.anytime(INTERVAL_TAIL, seen_s)
    since_s, until_s = (0.0, math.inf) if whole else _span(view, proof.window)
    limits = measured.interval(tail)
    if verdict is Verdict.PASS and _reaches_beyond(objective, measured, limits):
        confidence = 1 - 2 * SHOWN
        limits = measured.interval(SHOWN if look.complete else look.anytime(SHOWN, seen_s))
        note = f"{format_percent(confidence)} interval: a pass needs 95 % on the side of the tolerance"
        return Shown(measured=measured, limits=limits, confidence=confidence, note=note)
    if verdict in {Verdict.MARGINAL, Verdict.INCONCLUSIVE} and _outside(objective, measured, limits):
        confidence = 1 - 2 * proof.tail
        note = f"{_percent(confidence)} interval, which a fail needs here"
        limits = measured.interval(proof.tail)
        return Shown(measured=measured, limits=limits, confidence=confidence, since_s=since_s, note=note)
    return Shown(measured=measured, limits=limits, since_s=since_s, until_s=until_s)


def _span(view: PhaseView, window: Window) -> tuple[float, float]:
    """Return when a stretch begins and ends, in seconds after the phase's start; no end if it is not over."""
    whole, start_s = view.scene.window, view.look.phase.start_s
    end_s = float(window.blocks[-1] + 1) * window.block_s - start_s
    since_s = max(float(window.blocks[0]) * window.block_s - start_s, 0.0)
    return since_s, math.inf if window.blocks[-1] == whole.blocks[-1] else end_s


def _percent(confidence: float) -> str:
    return f"{confidence * 100:.4g} %" if confidence < _NEARLY_ONE else f"over {_NEARLY_ONE * 100:g} %"


def _shown_in_short_phase(objective: Objective, view: PhaseView, measured: Measurement) -> Shown:
    """Return the numbers that showed a short, only watched phase to be within tolerance."""
    pooled = _pooled(objective, view, measured)
    if pooled is not None and pooled.chances.within < measured.chances.within * SHOWN / SHOWN_IN_SHORT_PHASE:
        return Shown(measured=pooled, limits=pooled.interval(INTERVAL_TAIL), note="together with the steady phase")
    confidence = 1 - 2 * SHOWN_IN_SHORT_PHASE
    return Shown(
        measured=measured,
        limits=measured.interval(view.look.shown_tail),
        confidence=confidence,
        note=f"{format_percent(confidence)} interval: the phase is short and only watched",
    )


def _outside(objective: Objective, measured: Measurement, limits: tuple[float, float]) -> bool:
    """Return whether an interval excludes every difference that is tolerated."""
    if measured.margin is None or not objective.tolerates:
        return False
    low, high = limits
    if objective.direction is Direction.DECREASE:
        return high < measured.margin
    return low > measured.margin or (objective.direction is Direction.EITHER and high < -measured.margin)


def _reaches_beyond(objective: Objective, measured: Measurement, limits: tuple[float, float]) -> bool:
    """Return whether an interval contains differences that are not tolerated."""
    if measured.margin is None or not objective.tolerates:
        return False
    low, high = limits
    if objective.direction is Direction.DECREASE:
        return low < measured.margin
    return high > measured.margin or (objective.direction is Direction.EITHER and low < -measured.margin)


def _settled(objective: Objective, view: PhaseView, measured: Measurement) -> bool:
    """Return whether the phase would end within tolerance even if the rest of it went badly.

    Harm may begin late. Therefore, a phase passes before its end only if it would stay within tolerance even if the
    rest were ``REST_FACTOR`` times worse than tolerated. So the observed part must be within a smaller tolerance. A
    phase that ends when it is decided has no rest.
    """
    seen = min(view.look.seen_s / view.look.planned_s, 1.0)
    if view.look.complete or view.look.may_end or not objective.tolerates:
        return True
    part = (1 - REST_FACTOR * (1 - seen)) / seen if seen > 0 else 0.0
    if part <= 0:
        return False
    smaller = replace(
        objective,
        relative=None if objective.relative is None else objective.relative * part,
        absolute=None if objective.absolute is None else objective.absolute * part,
    )
    return _at_this_look(view, chance_within(smaller, measured.evidence)) <= SHOWN


def _shown_chance(objective: Objective, view: PhaseView, measured: Measurement) -> float:
    """Return the chance of being beyond tolerance, on a scale where ``SHOWN`` is enough for a pass.

    A phase that is not complete, or could have ended earlier, needs a bound that holds at every look. A short phase
    needs less confidence; it is also judged together with the steady phase unless something points to harm.
    """
    own = measured.chances.within
    if not view.look.complete or view.look.least_s is not None:
        return _at_this_look(view, own)
    if not view.look.short:
        return own
    own *= SHOWN / SHOWN_IN_SHORT_PHASE
    pooled = _pooled(objective, view, measured)
    return own if pooled is None else min(own, pooled.chances.within)


def _at_this_look(view: PhaseView, chance: float) -> float:
    """Return a chance on a scale where ``SHOWN`` is enough at this look."""
    needed = view.look.shown_tail
    return chance * SHOWN / needed if needed > 0 else 1.0


def _pooled(objective: Objective, view: PhaseView, measured: Measurement) -> Measurement | None:
    """Return a complete short phase together with the steady one; None if something points to harm."""
    if view.pooled is None or not view.look.complete or measured.chances.harm <= 0.05 or not objective.tolerates:
        return None
    return measure(objective, replace(view.scene, window=view.pooled))


def _without_evidence(objective: Objective, view: PhaseView, known: tuple[str, ...]) -> Finding:
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
        confidence=1 - 2 * INTERVAL_TAIL,
        margin=None,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{place_of(objective, view.look.phase.name)}: {why}",
        missing=missing,
    )
