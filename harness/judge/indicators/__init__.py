"""The indicators that can be judged, one file each. A new one is a file and a line in ``BUILT_IN``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.errors import ObjectiveError
from harness.judge.indicators.bucket_quantile import BUCKET_QUANTILE
from harness.judge.indicators.counter_ratio import COUNTER_RATIO
from harness.judge.indicators.error_rate import ERROR_RATE
from harness.judge.indicators.fallback_misses import FALLBACK_MISSES
from harness.judge.indicators.gauge import GAUGE
from harness.judge.indicators.interaction import Interaction
from harness.judge.indicators.latency import LATENCY
from harness.judge.indicators.port import Indicator
from harness.judge.indicators.recovery_time import RECOVERY_TIME
from harness.judge.indicators.server import SERVER
from harness.judge.indicators.split import SPLIT
from harness.judge.indicators.status import STATUS
from harness.judge.indicators.throughput import THROUGHPUT
from harness.model.formatting import Style, in_unit
from harness.model.indicator import Source
from harness.model.objective import Objective
from harness.model.record import Series

BUILT_IN: tuple[Indicator, ...] = (
    ERROR_RATE,
    LATENCY,
    THROUGHPUT,
    SPLIT,
    RECOVERY_TIME,
    FALLBACK_MISSES,
    GAUGE,
    STATUS,
    COUNTER_RATIO,
    BUCKET_QUANTILE,
    *SERVER,
)


def indicator_of(objective: Objective) -> Indicator:
    """Return the indicator that an objective is about. Raises ObjectiveError if this version does not know it."""
    found = next((one for one in BUILT_IN if one.spec.kind == objective.kind), None)
    if found is None:
        known = ", ".join(one.spec.kind for one in BUILT_IN)
        raise ObjectiveError(
            f"{objective.text}: expected an indicator that this version knows ({known}), found {objective.kind!r}: "
            "use the version that recorded it"
        )
    return Interaction(inner=found) if objective.interaction else found


def style_of(objective: Objective) -> Style:
    """Return how sentences show the values of an objective's indicator."""
    indicator = indicator_of(objective)
    return Style(unit=indicator.spec.unit, show=indicator.show)


def cell_style_of(objective: Objective, series: Sequence[Series]) -> Style:
    """Return how the cells of tables show them; readings have the unit that their ``series`` name."""
    indicator = indicator_of(objective)
    if indicator.spec.source is Source.SERIES:
        names = indicator.needs(objective).series
        unit = next((one.unit for one in series if one.name in names), "")
        return Style(unit=unit, show=partial(in_unit, unit=unit))
    return Style(unit=indicator.spec.unit, show=partial(indicator.show, short=True))
