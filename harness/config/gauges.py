"""The ``gauges`` section: what Prometheus is asked for beside its standard series, and who asks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.config.fields import Fields
from harness.errors import UsageError
from harness.model.config import Config, Gauge
from harness.model.objective import Objective, SliKind

_NAME = re.compile(r"[A-Za-z_][\w:.\-/]*")
_PLACEHOLDERS = ("{version}", "{arm}")


def read_gauges(top: Fields) -> tuple[Gauge, ...]:
    """Every gauge of the section, in the order of the file."""
    gauges = []
    for name, fields in top.sections("gauges"):
        if not _NAME.fullmatch(name):
            raise fields.error((), f"expected a name such as memory or queue_length, found {name!r}")
        gauge = Gauge(name=name, query=fields.text("query"), unit=fields.text("unit", ""))
        fields.end()
        if not any(word in gauge.query for word in _PLACEHOLDERS):
            raise fields.wrong(("query",), "PromQL with {version} or {arm} in it, to tell the arms apart", gauge.query)
        gauges.append(gauge)
    return tuple(gauges)


def require_sources(config: Config) -> None:
    """Raise ConfigError for an objective about a gauge that nobody would ask for, and for gauges without a Prometheus."""
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
        name = objective.name.removeprefix("gauge:")
        if objective.kind is SliKind.GAUGE and name not in known:
            raise UsageError(
                f"{objective}: expected a gauge of the section gauges in harness.yaml ({', '.join(known) or 'it has none'}), "
                f"found {name!r}"
            )
