"""Ask Prometheus for series that the client cannot see, from Istio's own metrics.

Istio counts an injected abort only at the source and without the destination's version, and the time of a delay only at
the source. These series are the destination's numbers for each version of the service under test (the source's, if
nothing reports as destination): what the arms did, whatever the fault did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.clients.prometheus import Prometheus
from harness.errors import MetricsError
from harness.model.config import Gauge
from harness.model.record import Series

_STEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A PromQL template: ``{selector}`` selects one arm's requests, ``{window}`` is the range."""

    name: str
    unit: str
    template: str


_REQUESTS = '{{__name__=~"(envoy_)?istio_requests_total",{selector}}}'
_ERRORS = '{{__name__=~"(envoy_)?istio_requests_total",response_code=~"5..|0",{selector}}}'
_BUCKETS = '{{__name__=~"(envoy_)?istio_request_duration_milliseconds_bucket",{selector}}}'
QUERIES = (
    Query(name="request rate", unit="req/s", template=f"sum(rate({_REQUESTS}[{{window}}]))"),
    Query(
        name="server error rate",
        unit="ratio",
        template=f"sum(rate({_ERRORS}[{{window}}])) / sum(rate({_REQUESTS}[{{window}}]))",
    ),
    Query(
        name="server latency p99",
        unit="s",
        template=f"histogram_quantile(0.99, sum by (le) (rate({_BUCKETS}[{{window}}]))) / 1000",
    ),
)


def server_side_series(
    server: Prometheus,
    *,
    service: str,
    versions: Mapping[str, str],
    zero_s: float,
    end_s: float,
    window: str = "5s",
    gauges: Sequence[Gauge] = (),
    namespace: str = "default",
) -> tuple[Series, ...]:
    """Return the result of every query for both arms between two epoch times. Without a result the series is empty.

    versions: the version label of each arm (``{"baseline": "v2", "canary": "v3"}``). window: the range of the rates, at
    least four scrape intervals. gauges: further series to ask for. Raises MetricsError if the server does not answer,
    or if a query for a gauge gives more than one series.
    """
    asked = [
        (query.name, query.unit, arm, _filled(query, service, version, window))
        for query in QUERIES
        for arm, version in versions.items()
    ]
    for gauge in gauges:
        for arm, version in versions.items():
            words = {"{version}": version, "{arm}": arm, "{service}": service, "{namespace}": namespace}
            asked.append((gauge.name, gauge.unit, arm, _replaced(gauge.query, words)))
    return tuple(_series(server, name, unit, arm, text, zero_s=zero_s, end_s=end_s) for name, unit, arm, text in asked)


def _filled(query: Query, service: str, version: str, window: str) -> str:
    selector = f'destination_service_name="{service}",destination_version="{version}"'
    return query.template.format(selector=selector, window=window)


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """Replace these words only: PromQL is full of other braces."""
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _series(server: Prometheus, name: str, unit: str, arm: str, text: str, *, zero_s: float, end_s: float) -> Series:
    found = server.query_range(text, start_s=zero_s, end_s=end_s, step_s=_STEP_S)
    if len(found) > 1:
        raise MetricsError(
            f"{name}: expected one series of the {arm}, found {len(found)} for {text}: "
            "put sum(...), max(...) or avg(...) around it"
        )
    times = found[0].times_s if found else ()
    return Series(
        name=name,
        arm=arm,
        unit=unit,
        source=text,
        at_s=tuple(round(at - zero_s, 3) for at in times),
        values=found[0].values if found else (),
    )
