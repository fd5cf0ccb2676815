"""The built-in indicators of the server side, from ``harness.model.server_table``."""

from __future__ import annotations

import re

from harness.judge.indicators.at_end import AtEnd
from harness.judge.indicators.bucket_quantile import QUANTILES, BucketQuantile
from harness.judge.indicators.counter_ratio import CounterRatio
from harness.judge.indicators.gauge import Gauge
from harness.judge.indicators.port import Indicator
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.server_indicator import Kind, ServerIndicator
from harness.model.server_table import SERVER_INDICATORS
from harness.model.units import Unit


def judged(one: ServerIndicator) -> Indicator:
    """Return the indicator that judges the series of a definition."""
    stem = one.name.removesuffix("NN")
    spec = IndicatorSpec(
        kind=one.name,
        pattern=re.escape(stem) + (QUANTILES if one.kind is Kind.QUANTILE else ""),
        names=f"{stem}50 to {stem}99.9" if one.kind is Kind.QUANTILE else one.name,
        unit={Kind.RATIO: Unit.RATIO, Kind.QUANTILE: Unit.SECONDS}.get(one.kind, Unit.READING),
        source=Source.SERIES,
        worse=one.worse,
        example="+0.5pp" if one.kind is Kind.RATIO else "-10%" if one.worse[0] is Direction.DECREASE else "+10%",
        relative=one.kind is Kind.QUANTILE,
        labels=tuple(one.labels),
        phase=one.phase,
    )
    if one.kind is Kind.RATIO:
        return CounterRatio(spec=spec)
    if one.kind is Kind.QUANTILE:
        return BucketQuantile(spec=spec)
    if one.at_end:
        return AtEnd(spec=spec, unit=one.unit)
    return Gauge(spec=spec, by_share=one.name == "server:request_rate", unit=one.unit)


SERVER: tuple[Indicator, ...] = tuple(judged(one) for one in SERVER_INDICATORS)
