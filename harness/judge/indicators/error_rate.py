"""``error_rate``: the share of requests that fail, that is without an answer, with a status 5xx or a failed check."""

from __future__ import annotations

import math

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected, Prediction, rate_prediction
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.units import Unit, format_percent
from harness.stats.contrast import rate_contrast
from harness.stats.limit import rate_limit_root
from harness.stats.variance import CALM


class ErrorRate:
    """See the module."""

    spec = IndicatorSpec(
        kind="error_rate",
        pattern="error_rate",
        names="error_rate",
        unit=Unit.RATIO,
        source=Source.SAMPLES,
        worse=(Direction.INCREASE,),
        example="+0.5pp",
        interaction=True,
    )
    alpha_weight = 3.0
    counted = "canary requests"
    restarts = True

    def needs(self, objective: Objective) -> Needs:
        """Ask for requests only."""
        return Needs()

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare rates in each block of time, weighted (Mantel & Haenszel 1959)."""
        window = scene.window
        same = window.standard
        contrast = rate_contrast(
            same.failed, same.requests, seconds=window.seconds, excess=scene.excess, calm=same.calm_failed
        )
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=window.counts,
            limit_root=lambda limit: rate_limit_root(window, limit, errors=True),
            least_noise_of=lambda: same.calm_failed,
            weight_rate=contrast.weight_rate,
        )

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Predict the test of two rates, on the expected counts."""
        rate, relative = expected.assumed.error_rate, objective.relative is not None
        return rate_prediction(expected, rate=rate, relative=relative, caution=CALM)

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the share of the interval's requests that failed."""
        return float(interval.failed.mean()) if interval.failed.size else math.nan

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a percentage."""
        return format_percent(value)


ERROR_RATE: Indicator = ErrorRate()
