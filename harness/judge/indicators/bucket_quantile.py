"""``histogram_p50:NAME`` and built-in latencies: a quantile of a histogram of the server side.

The narrow buckets of a native histogram are interpolated. In a classic bucket the true quantile may be anywhere, so
differences are blurred by the width of the buckets that the quantiles lie in: a verdict that the place inside a bucket
could turn round is inconclusive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.judge.evidence import RESOLUTION, Blur, RootEvidence, TailEvidence
from harness.judge.indicators.port import Floats, Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.record import Series
from harness.model.samples import ARMS, BASELINE, CANARY
from harness.model.server_indicator import NATIVE, bucket_of, series_key
from harness.model.units import Unit, format_duration
from harness.stats.contrast import quantile_contrast
from harness.stats.histogram import BINS, position_of
from harness.stats.limit import latency_limit_root
from harness.stats.window import Window, window_of_histograms

_MEDIAN, _FARTHEST = 0.5, 1e6
QUANTILES = r"(?P<percent>[5-8]\d(\.\d+)?|9[0-8](\.\d+)?|99(\.[0-8]\d*|\.90*)?)"


HISTOGRAM_SPEC = IndicatorSpec(
    kind="histogram",
    pattern=rf"histogram_p{QUANTILES}:.+",
    names="histogram_p50:NAME to histogram_p99.9:NAME",
    unit=Unit.SECONDS,
    source=Source.SERIES,
    worse=(Direction.INCREASE,),
    example="+10%",
    relative=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketQuantile:
    """See the module."""

    spec: IndicatorSpec = HISTOGRAM_SPEC
    alpha_weight: float = 1.0
    counted: str = "canary requests"
    restarts: bool = False

    def needs(self, objective: Objective) -> Needs:
        """Return the series of the quantile; the buckets behind it are recorded with it."""
        return Needs(series=(series_key(objective),))

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare observations above the same place of both distributions, the baseline's moved by the hypothesis."""
        found = window_of_buckets(objective, scene)
        if found is None:
            return None
        window, edges, native = found
        quantile = objective.quantile or _MEDIAN
        contrast = quantile_contrast(window, quantile, excess=scene.excess)
        if contrast is None:
            return None
        blur, between = _blur(edges, (contrast.baseline, contrast.canary))
        if native:
            blur = max(contrast.blur, RESOLUTION)
        rounding = Blur(share=blur, size=blur * max(contrast.baseline, contrast.canary))
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=window.answered,
            limit_root=lambda limit: latency_limit_root(window, quantile, limit),
            resolution=RESOLUTION,
            blur_of=lambda: rounding,
            weight_rate=contrast.weight_rate,
            blurred_by="" if native else between,
        )

    def predict(self, objective: Objective, expected: Expected) -> None:
        """Predict nothing: the buckets of the server side are not known before the run."""
        return

    def in_interval(self, objective: Objective, interval: Interval) -> float:
        """Return the mean of the interval's quantiles."""
        return float(interval.readings.mean()) if interval.readings.size else math.nan

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a duration."""
        return format_duration(value)


def window_of_buckets(
    objective: Objective, scene: Scene
) -> tuple[Window, tuple[tuple[float, float], ...], bool] | None:
    """Return the histograms of both arms by block, the buckets' ends, and whether they are native; None without any."""
    start = f"{series_key(objective)}#"
    rows = [one for one in scene.series if one.name.startswith(start)]
    edges = tuple(sorted({bucket_of(one.name) for one in rows}))
    times = sorted({at for one in rows for at in one.at_s if scene.start_s <= at < scene.end_s})
    if not times:
        return None
    counts, known = _counted(rows, edges, times)
    spread, first = _spread(edges)
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    window = window_of_histograms(counts[:, known.all(axis=0)] @ spread, first_bin=first, block_s=step_s)
    return window, edges, any(one.unit == NATIVE for one in rows)


def _counted(
    rows: list[Series], edges: tuple[tuple[float, float], ...], times: list[float]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the observations by arm, time and bucket, and which arms have readings at which time (shape (2, n)).

    A bucket that an arm never used has no series of its own, so it counts none wherever the arm has readings at all.
    """
    counts = np.zeros((2, len(times), len(edges)))
    known = np.zeros((2, len(times)), np.bool_)
    column = {edge: place for place, edge in enumerate(edges)}
    row_at = {at: place for place, at in enumerate(times)}
    for one in rows:
        arm, bucket = ARMS.index(one.arm), column[bucket_of(one.name)]
        for at, value in zip(one.at_s, one.values, strict=True):
            if at in row_at and math.isfinite(value):
                counts[arm, row_at[at], bucket] = value
                known[arm, row_at[at]] = True
    return counts, known


def _spread(edges: tuple[tuple[float, float], ...]) -> tuple[Floats, int]:
    """Return which part of each bucket is in each bin (shape (buckets, bins)), and the first bin.

    Observations are assumed to be spread evenly over the logarithm inside a bucket. A bucket without an upper end is
    put at its lower one.
    """
    ends = [
        (position_of(low), position_of(high) if math.isfinite(high) else position_of(low) + 1) for low, high in edges
    ]
    # A bucket that begins at zero has no logarithm there: its observations are put into its upper half.
    ends = [(high - position_of(2 * 1e-6) if low <= 0 else low, high) for low, high in ends]
    first = max(math.floor(min(low for low, _ in ends)), 0)
    last = min(math.ceil(max(high for _, high in ends)), BINS)
    bins = np.arange(first, max(last, first + 1))
    spread = np.zeros((len(edges), len(bins)))
    for row, (low, high) in enumerate(ends):
        inside = np.minimum(bins + 1, max(high, low + 1e-9)) - np.maximum(bins, low)
        spread[row] = inside.clip(0.0, None)
        spread[row] /= max(spread[row].sum(), 1e-12)
    return spread, first


def _blur(edges: tuple[tuple[float, float], ...], found: tuple[float, float]) -> tuple[float, str]:
    """Return how far the true ratio of the quantiles may be from the observed one, as a share, and why."""
    ends = [next(((low, high) for low, high in edges if low <= value <= high), edges[-1]) for value in found]
    up = [min(high / max(value, 1e-9), _FARTHEST) for (_, high), value in zip(ends, found, strict=True)]
    down = [min(value / low, _FARTHEST) if low > 0 else _FARTHEST for (low, _), value in zip(ends, found, strict=True)]
    share = max(up[CANARY] * down[BASELINE], up[BASELINE] * down[CANARY]) - 1
    shown = " and ".join(
        f"the {name}'s is somewhere from {format_duration(low)} to {format_duration(high)}"
        for name, (low, high) in zip(("baseline", "canary"), ends, strict=True)
    )
    return min(share, _FARTHEST), f"the histogram's buckets are wide: {shown}"


BUCKET_QUANTILE: Indicator = BucketQuantile()
