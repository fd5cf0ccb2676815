"""``ratio:NAME`` and built-in ratios: the share of events among all, both counted by the server side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.gauge import paired
from harness.judge.indicators.port import Floats, Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.samples import BASELINE, CANARY
from harness.model.server_indicator import EVENTS, OF, series_key
from harness.model.units import Unit, format_percent
from harness.stats.contrast import rate_contrast
from harness.stats.limit import share_limit_root

RATIO_SPEC = IndicatorSpec(
    kind="ratio",
    pattern=r"ratio:.+",
    names="ratio:NAME",
    unit=Unit.RATIO,
    source=Source.SERIES,
    worse=(Direction.INCREASE, Direction.DECREASE),
    example="+0.5pp",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRatio:
    """See the module."""

    spec: IndicatorSpec = RATIO_SPEC
    alpha_weight: float = 1.0
    counted: str = "canary requests"
    restarts: bool = False

    def needs(self, objective: Objective) -> Needs:
        """Return the series of the ratio; the counters behind it are recorded with it."""
        return Needs(series=(series_key(objective),))

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare shares in each block of time, weighted (Mantel & Haenszel 1959)."""
        events, trials, step_s = counters(objective, scene)
        contrast = rate_contrast(events, trials, seconds=step_s * trials.shape[1], excess=scene.excess)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=(round(float(trials[BASELINE].sum())), round(float(trials[CANARY].sum()))),
            limit_root=lambda limit: share_limit_root(events[CANARY], trials[CANARY], limit),
            weight_rate=contrast.weight_rate,
        )

    def predict(self, objective: Objective, expected: Expected) -> None:
        """Predict nothing: how many events the server side will count is not known before the run."""
        return

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the mean of the interval's ratios."""
        return float(interval.readings.mean()) if interval.readings.size else math.nan

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a percentage."""
        return format_percent(value)


def counters(objective: Objective, scene: Scene) -> tuple[Floats, Floats, float]:
    """Return both arms' events and trials by block (shape (2, b)) where all four are known, and a block's length."""
    key = series_key(objective)
    at_events, events = paired(scene, key + EVENTS)
    at_trials, trials = paired(scene, key + OF)
    common = np.intersect1d(at_events, at_trials)
    events, trials = events[:, np.isin(at_events, common)], trials[:, np.isin(at_trials, common)]
    known = np.isfinite(events).all(axis=0) & np.isfinite(trials).all(axis=0)
    step_s = float(np.median(np.diff(common))) if len(common) > 1 else 1.0
    return np.minimum(events[:, known], trials[:, known]), trials[:, known], step_s


COUNTER_RATIO: Indicator = CounterRatio()
