"""The ``gauges`` section: queries for Prometheus in addition to its standard series, and the objectives on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from harness.config.indicators import checked_template, counter_in
from harness.config.section import Section
from harness.config.values import Shaped, Text, refused
from harness.errors import UsageError
from harness.model.config import Config, Gauge
from harness.model.objective import Objective
from harness.model.server_indicator import Kind

_EQUAL = 0.5
GaugeName: TypeAlias = Annotated[str, Shaped(r"[A-Za-z_][\w:.\-/]*", "a name such as memory or queue_length")]


def _gauge(query: str) -> str:
    query = checked_template(query)
    counter = counter_in(query)
    if counter:
        raise refused(f"expected a gauge, found the counter {counter}: put rate(...[{{window}}]) around it")
    return query


class GaugeKeys(Section):
    """A value that Prometheus has for each arm."""

    query: Annotated[Text, AfterValidator(_gauge)]
    """PromQL that gives one series. {version}, {workload}, {arm}, {service}, {namespace} and {window} are replaced by
    those of the arm."""

    unit: Text | None = None
    """The unit of its values, for people."""


def gauges_of(keys: Mapping[str, GaugeKeys]) -> tuple[Gauge, ...]:
    """Return every gauge of the section in the order of the file."""
    return tuple(Gauge(name=name, query=gauge.query, unit=gauge.unit or "") for name, gauge in keys.items())


def require_sources(config: Config) -> None:
    """Raise ConfigError for an objective about a series that nobody measures, and for gauges without a Prometheus."""
    for index, objective in enumerate(config.objectives):
        try:
            require_known([objective], config)
        except UsageError as error:
            raise config.error(f"objectives[{index}]", str(error)) from error
    if config.gauges and config.prometheus is None:
        raise config.error("gauges", "expected prometheus to name the server that has them, found nothing")


def require_known(objectives: Sequence[Objective], config: Config) -> None:
    """Raise UsageError for an objective about a series that is neither built in nor configured.

    CPU in cores of arms with unequal shares of the load is no comparison either.
    """
    own = {one.name: one.kind for one in config.indicators}
    known = {
        "gauge": [
            *(gauge.name for gauge in config.gauges),
            *(n for n, k in own.items() if k in {Kind.GAUGE, Kind.RATE}),
        ],
        "ratio": [name for name, kind in own.items() if kind is Kind.RATIO],
        "histogram": [name for name, kind in own.items() if kind is Kind.QUANTILE],
    }
    for objective in objectives:
        names = known.get(objective.kind)
        if names is not None and objective.argument not in names:
            raise UsageError(
                f"{objective}: expected a name of the sections gauges and indicators in harness.yaml "
                f"({', '.join(names) or 'they have none of this kind'}), found {objective.argument!r}"
            )
        if objective.kind == "cpu" and objective.tolerates and config.canary_share != _EQUAL:
            raise UsageError(
                f"{objective}: expected arms with equal shares of the load, found {config.canary_share:.0%} for the "
                "canary: compare cpu_per_request"
            )
