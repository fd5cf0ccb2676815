"""``gauge:NAME``: the mean reading of a series of both arms, such as memory, CPU or the length of a queue."""

from __future__ import annotations

import math

import numpy as np

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Floats, Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.samples import ARMS
from harness.model.units import Unit
from harness.stats.gauge import gauge_contrast
from harness.stats.limit import Root


class Gauge:
    """See the module."""

    spec = IndicatorSpec(
        kind="gauge",
        pattern=r"gauge:.+",
        names="gauge:NAME",
        unit=Unit.READING,
        source=Source.SERIES,
        worse=(Direction.INCREASE, Direction.DECREASE, Direction.EITHER),
        example="+20%",
    )
    alpha_weight = 1.0
    counted = "pairs of readings"
    restarts = False

    def needs(self, objective: Objective) -> Needs:
        """The series that the objective names."""
        return Needs(series=(objective.argument,))

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """The mean difference of readings taken at the same times."""
        baseline, canary = readings(objective, scene)
        contrast = gauge_contrast(baseline, canary, start_s=scene.start_s, end_s=scene.end_s)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=(contrast.pairs.shape[1], contrast.pairs.shape[1]),
            limit_root=lambda limit: Root(value=contrast.root_of_limit(limit), degrees=contrast.noise.degrees),
        )

    def predict(self, objective: Objective, expected: Expected) -> None:
        """How much readings vary is not known before the run."""
        return

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """The mean of the interval's readings."""
        return float(interval.readings.mean()) if interval.readings.size else math.nan

    def show(self, value: float, *, short: bool = False) -> str:
        """As a number; the series names its unit."""
        return f"{value:.4g}"


def readings(objective: Objective, scene: Scene) -> list[tuple[Floats, Floats]]:
    """The baseline's and the canary's readings in the scene: times in seconds and values."""
    names = {objective.name, objective.argument}
    arms = []
    for arm in ARMS:
        found = [series for series in scene.series if series.arm == arm and series.name in names]
        times = np.array([at for series in found for at in series.at_s], np.float64)
        values = np.array([value for series in found for value in series.values], np.float64)
        inside = (times >= scene.start_s) & (times < scene.end_s)
        arms.append((times[inside], values[inside]))
    return arms


GAUGE: Indicator = Gauge()
