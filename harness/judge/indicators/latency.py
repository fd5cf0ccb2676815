"""``latency_p50`` to ``latency_p99.9``: a quantile of the latencies of requests without an error."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from harness.judge.evidence import RESOLUTION, Blur, RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected, Prediction, quantile_prediction
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.units import Unit, format_duration
from harness.stats.contrast import QuantileContrast, calm_at, quantile_contrast
from harness.stats.limit import latency_limit_root
from harness.stats.once import Once
from harness.stats.variance import WARY, wary_after

MARGIN, LEAST_MARGIN, LONG_S = 0.03, 0.0025, 150.0
"""A smaller share is no harm while the noise is not known. The margin falls in stretches of more seconds than this."""
_MEDIAN = 0.5


class Latency:
    """See the module."""

    spec = IndicatorSpec(
        kind="latency",
        pattern=r"latency_p(?P<percent>[5-8]\d(\.\d+)?|9[0-8](\.\d+)?|99(\.[0-8]\d*|\.90*)?)",
        names="latency_p50 to latency_p99.9",
        unit=Unit.SECONDS,
        source=Source.SAMPLES,
        worse=(Direction.INCREASE,),
        example="+10% or +5ms",
        relative=True,
        interaction=True,
        answered_only=True,
    )
    alpha_weight = 1.0
    counted = "canary requests"
    restarts = True

    def needs(self, objective: Objective) -> Needs:
        """Ask for requests only."""
        return Needs()

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare the requests above the same place of both distributions, the baseline's moved by the hypothesis."""
        quantile, window = objective.quantile or _MEDIAN, scene.window
        caution = wary_after(scene.windows_before) if scene.windows_before else WARY
        contrast = quantile_contrast(window, quantile, excess=scene.excess, caution=caution)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=window.answered,
            limit_root=lambda limit: latency_limit_root(window, quantile, limit),
            resolution=_resolution(objective, window.seconds, is_calibrated=scene.is_calibrated),
            blur_of=Once(partial(_blur, contrast)),
            least_noise_of=partial(calm_at, window.standard, quantile),
            weight_rate=contrast.weight_rate,
        )

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Predict the test of the share above the quantile, on the expected counts of lognormal latencies.

        It keeps the margin, which only makes the promise smaller for a run that is calibrated.
        """
        quantile = objective.quantile or _MEDIAN
        return quantile_prediction(expected, quantile=quantile, resolution=_margin(expected.seconds), caution=WARY)

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the quantile of the interval's latencies."""
        if not interval.latency_s.size:
            return math.nan
        return float(np.quantile(interval.latency_s, objective.quantile or _MEDIAN))

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a duration."""
        return format_duration(value)


def _resolution(objective: Objective, seconds: float, *, is_calibrated: bool) -> float:
    """Return the smallest share that can be harm in a stretch of so many seconds.

    Counts above a place of the histogram are exact, so harm needs no margin for the histogram unless latencies are tied
    (``Blur``). But one run cannot tell slow noise of an arm from a small difference of the builds. The margin covers
    that until the noise was learned from equal builds. A difference of differences keeps it: its tails are
    approximations.
    """
    if objective.interaction:
        return RESOLUTION
    return 0.0 if is_calibrated else _margin(seconds)


def _margin(seconds: float) -> float:
    """Return the margin, which falls in a long stretch, because that shows slow noise of an arm itself."""
    return max(MARGIN * min(1.0, (LONG_S / max(seconds, 1e-9)) ** 2), LEAST_MARGIN)


def _blur(contrast: QuantileContrast) -> Blur:
    share = contrast.blur
    return Blur(share=share, size=share * max(contrast.baseline, contrast.canary))


LATENCY: Indicator = Latency()
