"""Series that the client cannot see, asked of Prometheus in Istio's own metrics.

Istio counts an injected abort only at the source and without the destination's version, and a delay's
time only at the source; these are the destination's (or, where nothing reports as destination, the
source's) numbers per version of the service under test: what the arms did, whatever the fault did.
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
    """A PromQL template: ``{selector}`` picks one arm's requests, ``{window}`` is the range."""

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
    """Every query for both arms between two epoch times; an arm without an answer has an empty series.

    versions: the version label of each arm (``{"baseline": "v2", "canary": "v3"}``). window: range of
    the rates; at least four scrape intervals. gauges: asked for beside the standard series. Raises MetricsError
    when the server does not answer, or answers for a gauge with more than one series.
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
    """PromQL is full of braces, so only these words are placeholders."""
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _series(server: Prometheus, name: str, unit: str, arm: str, text: str, *, zero_s: float, end_s: float) -> Series:
    found = server.query_range(text, start_s=zero_s, end_s=end_s, step_s=_STEP_S)
    if len(found) > 1:
        raise MetricsError(
            f"{name}: expected one series of the {arm}, found {len(found)} for {text}: put sum(...), max(...) or avg(...) around it"
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
