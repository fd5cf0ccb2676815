"""Name the endpoint and the instance that proven harm sits in, and the finding that a run's reason names.

The search over endpoints pays for its multiplicity (Bonferroni): an endpoint is named only if harm beyond the tolerance
is proven in it alone with ``ALPHA`` divided by the number of tests, and all others together show no harm. The canary's
instances are searched in the same way.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harness.judge.indicators import style_of
from harness.judge.measure import Measurement, measure
from harness.judge.view import PhaseView, Places
from harness.model import formatting
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.verdict import Finding
from harness.stats.window import Window

ALPHA = 0.01
"""The chance of naming an endpoint, or an instance, whose canary is within its tolerance."""
HARMLESS = 0.05
"""Above this chance of so much harm in equal arms, the other endpoints are said to show none."""
_KINDS = frozenset({"error_rate", "latency"})
_TELLING = (0.9, 0.5)


def places_of(objective: Objective, view: PhaseView, stretch: Window) -> str:
    """Return a text that names the endpoint and the instance which the harm sits in, or an empty string.

    stretch: the part of the phase that proved the harm.
    """
    if objective.kind not in _KINDS or objective.interaction or not len(stretch.blocks):
        return ""
    found = (_place_of(objective, view, stretch, places) for places in view.places)
    return "; ".join(text for text in found if text)


def _place_of(objective: Objective, view: PhaseView, stretch: Window, places: Places) -> str:
    """Return a text about the place with all harm, by the objective's quantile or the most telling lower one."""
    searched = (objective, *_lower_quantiles(objective))
    for each in searched:
        found = [(name, _measured(each, view, places.own(name), stretch)) for name in places.names]
        measured = [(name, own) for name, own in found if own is not None]
        if len(measured) < 2:
            continue
        name, worst = min(measured, key=lambda one: one[1].chances.beyond)
        if max(worst.chances.harm, worst.chances.beyond) > ALPHA / len(measured) / len(searched):
            continue
        others = _measured(objective, view, places.others(name), stretch)
        if others is not None and others.chances.harm > HARMLESS:
            prefix = "" if each is objective else f"{each.name} "
            return f"the harm sits in {places.where}{name} ({prefix}{_numbers(each, worst)}), not in {places.elsewhere}"
    return ""


def _lower_quantiles(objective: Objective) -> tuple[Objective, ...]:
    """Return the objective for quantiles that need fewer requests: a slow endpoint is often slow in all of them."""
    if objective.quantile is None or objective.relative is None:
        return ()
    return tuple(
        replace(objective, name=f"latency_p{quantile * 100:g}", quantile=quantile)
        for quantile in _TELLING
        if quantile < objective.quantile
    )


def _measured(objective: Objective, view: PhaseView, window: Window, stretch: Window) -> Measurement | None:
    first = int(np.searchsorted(window.blocks, stretch.blocks[0]))
    part = window.since(first) if first else window
    return measure(objective, replace(view.scene, window=part)) if len(part.blocks) else None


def _numbers(objective: Objective, measured: Measurement) -> str:
    style, limits = style_of(objective), measured.interval(0.025)
    return formatting.comparison(
        measured.baseline, measured.canary, measured.difference, limits, style, relative=measured.relative
    )


def harm_of(finding: Finding) -> float:
    """Return how far a difference is beyond its tolerance, in half widths of its interval; -inf without a tolerance."""
    difference, margin = finding.difference, finding.margin
    if difference is None or margin is None or finding.low is None or finding.high is None:
        return -math.inf
    towards = -1.0 if finding.objective.direction is Direction.DECREASE else math.copysign(1.0, difference)
    if finding.objective.direction is Direction.INCREASE:
        towards = 1.0
    near = finding.low if towards > 0 else finding.high
    ends = (difference, abs(margin) * towards, near)
    if finding.relative and min(ends) > -1:
        ends = (math.log1p(ends[0]), math.log1p(ends[1]), math.log1p(ends[2]))
    width = abs(ends[0] - ends[2])
    beyond = (ends[0] - ends[1]) * towards
    return beyond / width if 0 < width < math.inf else -math.inf
