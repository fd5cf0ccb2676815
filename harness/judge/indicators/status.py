"""``status_404``, ``status_4xx`` and so on: the share of requests that get this status, or one of this class."""

from __future__ import annotations

import math

import numpy as np

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Floats, Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected, Prediction, rate_prediction
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.samples import Samples
from harness.model.units import Unit, format_percent
from harness.stats.contrast import rate_contrast
from harness.stats.limit import Root, share_limit_root
from harness.stats.responses import status_events
from harness.stats.variance import CALM

_PREFIX, _CLASS = "status_", "xx"


class Status:
    """See the module."""

    spec = IndicatorSpec(
        kind="status",
        pattern=r"status_[1-5](xx|\d\d)",
        names="status_5xx or status_404",
        unit=Unit.RATIO,
        source=Source.SAMPLES,
        worse=(Direction.INCREASE,),
        example="+0.5pp",
    )
    alpha_weight = 1.0
    counted = "canary requests"
    restarts = False

    def needs(self, objective: Objective) -> Needs:
        """Ask for requests only."""
        return Needs()

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare exact counts in each block of time, weighted (Mantel & Haenszel 1959)."""
        if scene.samples is None or not len(scene.window.blocks):
            return None
        events, trials = status_events(
            _of_endpoint(scene.samples, objective),
            statuses_of(objective),
            scene.window.blocks,
            block_s=scene.window.block_s,
            span_s=(scene.start_s, scene.end_s),
        )
        contrast = rate_contrast(events, trials, seconds=scene.window.seconds, excess=scene.excess)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=(int(trials[0].sum()), int(trials[1].sum())),
            limit_root=lambda limit: _limit_root(events, trials, limit),
            weight_rate=contrast.weight_rate,
        )

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Predict the test of two rates for a status that is as frequent as the assumed errors."""
        rate, relative = expected.assumed.error_rate, objective.relative is not None
        return rate_prediction(expected, rate=rate, relative=relative, caution=CALM)

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the share of the interval's requests that got the status."""
        if not interval.status.size:
            return math.nan
        wanted = statuses_of(objective)
        return float(((interval.status >= wanted.start) & (interval.status < wanted.stop)).mean())

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a percentage."""
        return format_percent(value)


def statuses_of(objective: Objective) -> range:
    """Return the statuses that an objective about a status or a class of statuses is about."""
    text = objective.plain_name.removeprefix(_PREFIX)
    if text.endswith(_CLASS):
        first = int(text[0]) * 100
        return range(first, first + 100)
    return range(int(text), int(text) + 1)


def _of_endpoint(samples: Samples, objective: Objective) -> Samples:
    endpoint = objective.labels.get("endpoint")
    if endpoint is None:
        return samples
    wanted = [number for number, name in enumerate(samples.operations) if name == endpoint]
    return samples.where(np.isin(samples.operation, wanted))


def _limit_root(events: Floats, trials: Floats, limit: float) -> Root:
    return share_limit_root(events[1], trials[1], limit)


STATUS: Indicator = Status()
