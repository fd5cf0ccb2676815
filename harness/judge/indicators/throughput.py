"""``throughput``: requests per second that reach the canary, compared with its planned share of all requests."""

from __future__ import annotations

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected, Prediction, predicted
from harness.model.formatting import in_unit
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.units import Unit
from harness.stats.limit import rate_limit_root
from harness.stats.split import throughput_contrast
from harness.stats.variance import CALM


class Throughput:
    """See the module."""

    spec = IndicatorSpec(
        kind="throughput",
        pattern="throughput",
        names="throughput",
        unit=Unit.RATE,
        source=Source.SAMPLES,
        worse=(Direction.DECREASE,),
        example="-5%",
    )
    alpha_weight = 0.5
    counted = "canary requests"
    restarts = True

    def needs(self, objective: Objective) -> Needs:
        """Ask for the planned share, without which there is no number of requests to expect."""
        return Needs(canary_share=True)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare the canary's part of all requests, as a binomial count."""
        window = scene.window
        contrast = throughput_contrast(window, scene.share, excess=scene.excess)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=window.counts,
            limit_root=lambda limit: rate_limit_root(window, limit, errors=False),
        )

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Predict from the standard error of the logarithm of a ratio of counts."""
        return predicted(1.0, expected, relative=objective.relative is not None, caution=CALM)

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the interval's requests per second, 0 if there were none."""
        return interval.latency_s.size / interval.seconds

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a number of requests per second."""
        return in_unit(value, Unit.RATE) if short else f"{value:.4g} requests/s"


THROUGHPUT: Indicator = Throughput()
