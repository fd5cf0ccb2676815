"""Judge what real users did, from a Prometheus alone: two sets of labels instead of two arms of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.clients.prometheus import Prometheus
from harness.errors import UsageError
from harness.metrics.answers import answers_by_status
from harness.metrics.collecting import Wanted, collected
from harness.metrics.promql import selector
from harness.metrics.server_side import (
    Measured,
    aligned,
    queries,
    require_apart,
    scrape_interval_of,
    without_stale,
)
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
REQUESTS = Selector(metric="istio_requests_total", matchers=(), also=("envoy_istio_requests_total",))
"""All requests; the matchers of the table's selectors are those of an arm of a configuration."""
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
    requests = {arm: _with(REQUESTS, own) for arm, own in arms.items()}
    texts = {arm: selector(one, {}) for arm, one in requests.items()}
    require_apart(server, texts, start_s=start_s, end_s=end_s)
    interval_s = scrape_interval_of(server, next(iter(requests.values())), {}, until_s=end_s)
    span = aligned(start_s, end_s - start_s, interval_s)
    phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=end_s - start_s),)
    known = [set(source.values_of("reporter", one, {}, span)) for one in requests.values()]
    common = set.intersection(*known) or set.union(*known)
    reporter = next((name for name in _REPORTERS if name in common), _REPORTERS[0])
    reported = {
        arm: replace(one, matchers=(*one.matchers, *_reporter_of(arms[arm], reporter))) for arm, one in requests.items()
    }
    counted = answers_by_status(source, reported, {arm: {} for arm in arms}, span)
    wanted = {
        arm: (*(_wanted(objective, own, reporter) for objective in objectives), *counted[arm])
        for arm, own in arms.items()
    }
    source.prefetch([text for each in wanted.values() for text in queries(each, {"": {}}, span)], span)
    series: list[Series] = []
    missing: list[str] = []
    for arm in arms:
        found = collected(wanted[arm], source, arms={arm: {}}, span=span, zero_s=start_s, phases=phases)
        series += found.series
        missing += found.missing
    fresh = without_stale(series, server, texts, span, zero_s=start_s)
    notes = (*(f"Prometheus says: {text}" for text in server.infos), *missing)
    return Measured(series=fresh, notes=notes, doubts=tuple(server.warnings))


def _reporter_of(own: tuple[Matcher, ...], reporter: str) -> tuple[Matcher, ...]:
    given = any(one.label == "reporter" for one in own)
    return () if given else (Matcher(label="reporter", operator="=", value=reporter),)


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
