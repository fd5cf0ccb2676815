"""``gauge:NAME``: the mean reading of a series of both arms, such as memory, CPU or the length of a queue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Floats, Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.formatting import in_unit
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.samples import ARMS, BASELINE
from harness.model.server_indicator import series_key
from harness.model.units import Unit
from harness.stats.gauge import gauge_contrast
from harness.stats.limit import Root

GAUGE_SPEC = IndicatorSpec(
    kind="gauge",
    pattern=r"gauge:.+",
    names="gauge:NAME",
    unit=Unit.READING,
    source=Source.SERIES,
    worse=(Direction.INCREASE, Direction.DECREASE, Direction.EITHER),
    example="+20%",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """See the module.

    by_share: whether the readings grow with the requests, so that the baseline's are scaled to the canary's planned
    share. unit: of the readings, if it is always the same.
    """

    spec: IndicatorSpec = GAUGE_SPEC
    by_share: bool = False
    unit: str = ""
    alpha_weight: float = 1.0
    counted: str = "pairs of readings"
    restarts: bool = False

    def needs(self, objective: Objective) -> Needs:
        """Return the series that the objective names."""
        name = objective.argument if self.spec.kind == GAUGE_SPEC.kind else series_key(objective)
        return Needs(series=(name,), canary_share=self.by_share)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare readings that were taken at the same times, by their mean difference."""
        baseline, canary = readings(objective, scene)
        if self.by_share:
            baseline = baseline[0], baseline[1] * scene.share / max(1 - scene.share, 1e-9)
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
        """Predict nothing: how much readings vary is not known before the run."""
        return

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the mean of the interval's readings."""
        return float(interval.readings.mean()) if interval.readings.size else math.nan

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a number; the series names its unit."""
        return in_unit(value, self.unit) if self.unit else f"{value:.4g}"


def readings(objective: Objective, scene: Scene) -> list[tuple[Floats, Floats]]:
    """Return the baseline's and the canary's readings in the scene: times in seconds and values."""
    names = {objective.name, objective.argument} if objective.kind == GAUGE_SPEC.kind else {series_key(objective)}
    arms = []
    for arm in ARMS:
        found = [series for series in scene.series if series.arm == arm and series.name in names]
        times = np.array([at for series in found for at in series.at_s], np.float64)
        values = np.array([value for series in found for value in series.values], np.float64)
        inside = (times >= scene.start_s) & (times < scene.end_s)
        arms.append((times[inside], values[inside]))
    return arms


def paired(scene: Scene, name: str) -> tuple[Floats, Floats]:
    """Return the times (shape (n,)) at which both arms have a reading, and the readings (shape (2, n))."""
    by_arm: list[dict[float, float]] = []
    for arm in ARMS:
        by_arm.append({})
        for series in scene.series:
            if series.arm == arm and series.name == name:
                by_arm[-1].update(zip(series.at_s, series.values, strict=True))
    common = sorted(at for at in by_arm[BASELINE] if at in by_arm[1] and scene.start_s <= at < scene.end_s)
    values = np.array([[own[at] for at in common] for own in by_arm], np.float64).reshape(2, len(common))
    return np.array(common, np.float64), values


GAUGE: Indicator = Gauge()
