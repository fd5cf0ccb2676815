"""The ``gauges`` section: queries for Prometheus in addition to its standard series, and the objectives on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from harness.config.section import Section
from harness.config.values import Shaped, Text, expected
from harness.errors import UsageError
from harness.judge.indicators import indicator_of
from harness.model.config import Config, Gauge
from harness.model.objective import Objective

_PLACEHOLDERS = ("{version}", "{arm}")
GaugeName: TypeAlias = Annotated[str, Shaped(r"[A-Za-z_][\w:.\-/]*", "a name such as memory or queue_length")]


def _tells_arms_apart(query: str) -> str:
    if not any(word in query for word in _PLACEHOLDERS):
        raise expected("PromQL with {version} or {arm} in it, to tell the arms apart")
    return query


class GaugeKeys(Section):
    """A value that Prometheus has for each arm."""

    query: Annotated[Text, AfterValidator(_tells_arms_apart)]
    """PromQL that gives one series. {version}, {arm}, {service} and {namespace} are replaced by those of the arm."""

    unit: Text | None = None
    """The unit of its values, for people."""


def gauges_of(keys: Mapping[str, GaugeKeys]) -> tuple[Gauge, ...]:
    """Return every gauge of the section in the order of the file."""
    return tuple(Gauge(name=name, query=gauge.query, unit=gauge.unit or "") for name, gauge in keys.items())


def require_sources(config: Config) -> None:
    """Raise ConfigError for an objective about a gauge that is not configured, and for gauges without a Prometheus."""
    for index, objective in enumerate(config.objectives):
        try:
            require_known([objective], config.gauges)
        except UsageError as error:
            raise config.error(f"objectives[{index}]", str(error)) from error
    if config.gauges and config.prometheus is None:
        raise config.error("gauges", "expected prometheus to name the server that has them, found nothing")


def require_known(objectives: Sequence[Objective], gauges: Sequence[Gauge]) -> None:
    """Raise UsageError for an objective about another gauge than these."""
    known = [gauge.name for gauge in gauges]
    for objective in objectives:
        for name in indicator_of(objective).needs(objective).series:
            if name not in known:
                raise UsageError(
                    f"{objective}: expected a gauge of the section gauges in harness.yaml "
                    f"({', '.join(known) or 'it has none'}), found {name!r}"
                )
