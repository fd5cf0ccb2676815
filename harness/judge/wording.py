"""Sentences of a finding: the reason for its verdict, and what would settle it."""

from __future__ import annotations

import math

from harness.judge.alpha_spending import SHOWN
from harness.judge.evidence import RootEvidence
from harness.judge.indicators import indicator_of, style_of
from harness.judge.measure import Measurement
from harness.judge.view import PhaseView, Shown
from harness.model import formatting
from harness.model.objective import Objective
from harness.model.units import format_duration
from harness.model.verdict import Verdict
from harness.stats.tails import t_quantile

_POWER_SIGMAS = 1.0  # 84 of 100 runs with this many requests show it
_AT_THE_EDGE = 0.1  # of the tolerance: requests alone may not settle an estimate this close to it


def place_of(objective: Objective, phase: str) -> str:
    """Return what a finding is about: ``error_rate of /checkout in the fault phase``."""
    endpoint = f" of {objective.labels['endpoint']}" if "endpoint" in objective.labels else ""
    return f"{objective.name}{endpoint} in the {phase} phase"


def reason_of(objective: Objective, view: PhaseView, shown: Shown, verdict: Verdict, *, within: bool) -> str:
    """Return the reason of a finding. within: whether the phase is within tolerance so far."""
    measured, style = shown.measured, style_of(objective)
    place = place_of(objective, view.look.phase.name)
    if math.isfinite(shown.until_s):
        place += f" (from {format_duration(shown.since_s)} to {format_duration(shown.until_s)} after its start)"
    elif shown.since_s > 0:
        place += f" (from {format_duration(shown.since_s)} after its start on)"
    numbers = formatting.comparison(
        measured.baseline, measured.canary, measured.difference, shown.limits, style, relative=measured.relative
    )
    word = {
        Verdict.FAIL: "is worse than tolerated" if not view.any_harm else "is proven worse",
        Verdict.PASS: "is within tolerance",
        Verdict.MARGINAL: "is worse, but not shown to be beyond tolerance",
        Verdict.INCONCLUSIVE: "is not shown to be within tolerance",
    }[verdict]
    if verdict is Verdict.INCONCLUSIVE and within:
        word = "is within tolerance so far, and not so clearly that harm in the rest of the phase could not change it"
    note = f" ({shown.note})" if shown.note else ""
    return f"{place} {word}: {numbers}{note}; {_tolerance(objective, measured, style)}"


def _tolerance(objective: Objective, measured: Measurement, style: formatting.Style) -> str:
    """Return what is tolerated: the margin, the limit, or both."""
    parts = []
    if measured.margin is not None:
        parts.append(f"tolerance {formatting.difference(measured.margin, style, relative=measured.relative)}")
    if objective.limit is not None:
        parts.append(f"limit {style.show(objective.limit)}")
    return ", ".join(parts)


def blurred_by(measured: Measurement) -> str:
    """Return what rounds the values so much that it decides, whatever the number of requests; usually nothing."""
    evidence = measured.evidence
    return evidence.blurred_by if isinstance(evidence, RootEvidence) else ""


def missing_of(objective: Objective, view: PhaseView, measured: Measurement, error: float | None) -> str:
    """Return how many canary requests would settle the finding either way, and how long that takes.

    For a phase that is over it says what to change in the next run.
    """
    difference, margin, have = measured.difference, measured.margin, measured.canary.n
    if blurred_by(measured):
        return "narrower buckets, such as those of native histograms: more requests do not settle it"
    if measured.relative and measured.baseline.value == 0 and margin is not None:
        return "an absolute tolerance: the baseline is 0, and no difference is a share of that"
    what = indicator_of(objective).counted
    if error is None or difference is None or margin is None or have == 0:
        where = f" in the {view.look.phase.name} phase of the next run" if view.look.over else ""
        return f"more than {have:,} {what}{where}; these are too few to say how many"
    if measured.relative:
        difference, margin = math.log1p(max(difference, -0.99)), math.log1p(max(margin, -0.99))
    towards_worse = difference * math.copysign(1.0, margin)
    distance = abs(margin) - max(towards_worse, 0.0)
    tail = SHOWN if distance > 0 else view.look.proof_tail(view.alpha, view.look.planned_s)
    if abs(distance) <= _AT_THE_EDGE * abs(margin) or tail <= 0:
        return "the estimate is at the edge of the tolerance: more requests alone may not settle it"
    sigmas = t_quantile(tail, measured.evidence.degrees) + _POWER_SIGMAS
    return _amount(view, need=have * (sigmas * error / distance) ** 2, have=have, what=what)


def _amount(view: PhaseView, *, need: float, have: int, what: str) -> str:
    look = view.look
    if need <= have:
        if look.over:
            return (
                f"{have:,} {what} were nearly enough: in the next run, make the {look.phase.name} phase a little longer"
            )
        return f"{have:,} {what} are enough, if the phase goes on like this to its end"
    rate = have / max(view.scene.window.seconds, view.scene.window.block_s)
    wanted = f"{have:,} of about {formatting.rounded_count(need)} {what}; "
    if look.over:
        return wanted + (
            f"in the next run, let the {look.phase.name} phase last {format_duration(need / rate)}, "
            f"at {rate:.3g} a second"
        )
    return wanted + f"{format_duration((need - have) / rate)} more at {rate:.3g} a second"
