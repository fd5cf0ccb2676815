"""Name the endpoint that proven harm sits in, and the finding that a run's reason names.

The search over endpoints pays for its multiplicity (Bonferroni): an endpoint is named only if harm beyond the tolerance
is proven in it alone with ``ALPHA`` divided by the number of endpoints, and all others together show no harm.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harness.judge.indicators import style_of
from harness.judge.measure import Measurement, measure
from harness.judge.view import PhaseView
from harness.model import formatting
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.verdict import Finding
from harness.stats.window import Window

ALPHA = 0.01
"""The chance of naming an endpoint whose canary is within its tolerance."""
HARMLESS = 0.05
"""Above this chance of so much harm in equal arms, the other endpoints are said to show none."""
_KINDS = frozenset({"error_rate", "latency"})


def endpoint_of(objective: Objective, view: PhaseView, stretch: Window, known: tuple[str, ...]) -> str:
    """Return a sentence that names the endpoint which the harm sits in, or an empty string.

    stretch: the part of the phase that proved the harm. known: the endpoints of all requests.
    """
    apart = objective.kind in _KINDS and not objective.interaction and "endpoint" not in objective.labels
    if view.endpoint is None or view.others is None or not apart or len(known) < 2 or not len(stretch.blocks):
        return ""
    found = [(name, _measured(objective, view, view.endpoint(name), stretch)) for name in known]
    searched = [(name, own) for name, own in found if own is not None]
    if len(searched) < 2:
        return ""
    name, worst = min(searched, key=lambda each: each[1].chances.beyond)
    others = _measured(objective, view, view.others(name), stretch)
    if max(worst.chances.harm, worst.chances.beyond) > ALPHA / len(searched):
        return ""
    if others is None or others.chances.harm <= HARMLESS:
        return ""
    return f"the harm sits in {name} ({_numbers(objective, worst)}), not in the other endpoints"


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
