"""Judge what real users did, from a Prometheus alone: two sets of labels instead of two arms of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.clients.prometheus import Prometheus
from harness.errors import UsageError
from harness.metrics.collecting import Wanted, collected
from harness.metrics.server_side import Measured, aligned, scrape_interval_of
from harness.metrics.sources import PrometheusSource
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Series
from harness.model.server_indicator import Matcher, Selector, ServerIndicator, series_key
from harness.model.server_table import SERVER_INDICATORS, server_indicator

DEFAULT_OBJECTIVES = (
    "server:error_rate < +0.5pp",
    "server:latency_p50 < +10%",
    "server:latency_p90 < +10%",
    "server:latency_p99 < +25%",
)
_SHORT = {
    "service": "destination_service_name",
    "version": "destination_version",
    "workload": "destination_workload",
    "namespace": "destination_service_namespace",
}
_MATCHER = re.compile(r'\s*(?P<label>[a-zA-Z_]\w*)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*')
_REPORTERS = ("destination", "waypoint", "source")


def matchers_of(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of a PromQL selector such as ``{service="reviews",version="v1"}``.

    service, version, workload and namespace stand for Istio's labels of the destination. Raises UsageError.
    """
    inner = text.strip().removeprefix("{").removesuffix("}")
    found, place = [], 0
    while place < len(inner):
        match = _MATCHER.match(inner, place)
        if match is None or "{" in match["value"]:
            raise UsageError(f'expected labels such as {{version="v1"}}, found {text!r} (from {inner[place:]!r} on)')
        label = _SHORT.get(match["label"], match["label"])
        found.append(Matcher(label=label, operator=match["operator"], value=match["value"]))
        place = match.end()
        if place < len(inner) and inner[place] == ",":
            place += 1
    if not found:
        raise UsageError(f'expected labels such as {{version="v1"}}, found none in {text!r}')
    return tuple(found)


def live_series(
    server: Prometheus,
    objectives: Sequence[Objective],
    arms: Mapping[str, tuple[Matcher, ...]],
    *,
    start_s: float,
    end_s: float,
) -> Measured:
    """Return the series of both sets of labels between two times of the server's clock.

    Raises UsageError for an objective about anything but the answers of a service, MetricsError without answers.
    """
    source = PrometheusSource(server=server)
    first = next(iter(arms.values()))
    interval_s = scrape_interval_of(server, _with(_requests(), first), {}, until_s=end_s)
    span = aligned(start_s, end_s - start_s, interval_s)
    phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=end_s - start_s),)
    known = [set(source.values_of("reporter", _with(_requests(), own), {}, span)) for own in arms.values()]
    common = set.intersection(*known) or set.union(*known)
    reporter = next((name for name in _REPORTERS if name in common), _REPORTERS[0])
    series: list[Series] = []
    missing: list[str] = []
    for arm, own in arms.items():
        wanted = [_wanted(objective, own, reporter) for objective in objectives]
        found = collected(wanted, source, arms={arm: {}}, span=span, zero_s=start_s, phases=phases)
        series += found.series
        missing += found.missing
    return Measured(series=tuple(series), notes=(*(f"Prometheus says: {text}" for text in server.warnings), *missing))


def _wanted(objective: Objective, own: tuple[Matcher, ...], reporter: str) -> Wanted:
    indicator = server_indicator(objective.plain_name)
    if indicator is None or not indicator.name.startswith("server:"):
        known = ", ".join(one.name for one in SERVER_INDICATORS if one.name.startswith("server:"))
        raise UsageError(f"{objective.text}: expected an indicator of a service's answers ({known}) for labels alone")
    chosen = {"reporter": reporter} if not any(one.label == "reporter" for one in own) else {}
    labels = {name: value for name, value in objective.labels.items() if name not in {"phase", "endpoint"}}
    return Wanted(
        key=series_key(objective),
        indicator=_of(indicator, own),
        labels={**chosen, **labels},
        quantile=objective.quantile,
    )


def _of(indicator: ServerIndicator, own: tuple[Matcher, ...]) -> ServerIndicator:
    return replace(
        indicator,
        events=None if indicator.events is None else _with(indicator.events, own),
        of=None if indicator.of is None else _with(indicator.of, own),
    )


def _with(which: Selector, own: tuple[Matcher, ...]) -> Selector:
    """Return the selector with other labels than those of an arm, which are its first two."""
    return replace(which, matchers=(*own, *which.matchers[2:]))


def _requests() -> Selector:
    found = next(one.of for one in SERVER_INDICATORS if one.name == "server:error_rate")
    return found if found is not None else Selector(metric="istio_requests_total")
