"""Find the stretches of a phase that cannot prove harm, all at once, before any of them is measured.

A canary that is observed to be no worse than the baseline proves no harm: the root of its test is at most zero, so the
chance of no harm is at least one half. The same holds for harm beyond the tolerance where the observed difference is
within it. No noise has to be estimated for that. It rules out most stretches of most phases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.judge.indicators.port import Scene
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.samples import BASELINE, CANARY
from harness.stats.histogram import shift
from harness.stats.stretches import Stretches

_MEDIAN = 0.5
_ONE_BIN = 1.0
"""Between the edges of bins, a moved curve is interpolated: that may move its quantile by less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """Which stretches cannot prove harm, and which cannot prove harm beyond the tolerance; both by number."""

    harm: list[bool]
    beyond: list[bool]


def screened(objective: Objective, scene: Scene, later: Stretches) -> Screened:
    """Screen the stretches that begin ``later`` in the scene's window; none is ruled out that could prove anything."""
    nothing = Screened(harm=[False] * len(later.firsts), beyond=[False] * len(later.firsts))
    if not later.firsts or objective.limit is not None or not objective.tolerates or objective.interaction:
        return nothing
    if objective.kind == "latency" and objective.direction is Direction.INCREASE:
        return _latency(objective, later)
    if objective.kind == "error_rate" and objective.direction is Direction.INCREASE:
        return _errors(objective, later)
    if objective.kind == "throughput" and objective.direction is Direction.DECREASE:
        return _throughput(objective, scene, later)
    return nothing


def _latency(objective: Objective, later: Stretches) -> Screened:
    slower = later.slower_by(objective.quantile or _MEDIAN)
    tolerated = shift(1 + (objective.relative or 0.0)) - _ONE_BIN
    return _both(slower <= 0, slower <= max(tolerated, 0.0))


def _errors(objective: Objective, later: Stretches) -> Screened:
    more, weights = later.more_failures()
    return _both(more <= 0, more <= (objective.absolute or 0.0) * weights)


def _throughput(objective: Objective, scene: Scene, later: Stretches) -> Screened:
    requests, fewer = later.requests(), objective.relative or 0.0
    least = scene.share * (1 - fewer) / (1 - scene.share * fewer)
    total = requests[BASELINE] + requests[CANARY]
    return _both(requests[CANARY] >= scene.share * total, requests[CANARY] >= least * total)


def _both(harm: NDArray[np.bool_], beyond: NDArray[np.bool_]) -> Screened:
    return Screened(harm=harm.tolist(), beyond=(harm | beyond).tolist())
