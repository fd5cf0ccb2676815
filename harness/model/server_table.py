"""The built-in indicators of the server side: Istio's standard metrics, Kubernetes, and what faults do.

Istio counts an injected abort at the source only and without the destination's version; the time of an injected delay
is part of the source's duration only. ``server:`` indicators are about the requests that an arm answers, and ``calls:``
ones about the requests that it sends to others, as its own proxy counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from harness.model.indicator import Direction
from harness.model.phase import PhaseKind
from harness.model.server_indicator import Kind, Matcher, Selector, ServerIndicator

_INCREASE, _DECREASE, _EITHER = Direction.INCREASE, Direction.DECREASE, Direction.EITHER
_FAILED, _INJECTED = "5..|0", ".*(DI|FI).*"
_GRPC_FAILED = "2|4|8|12|13|14|15"
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_POD = f"{{workload}}(-[0-9]+|(-{_SAFE}{{6,10}})?-{_SAFE}{{5}})?"
"""The names that controllers give to pods, with the letters that they use: reviews-v2-db-0 is no pod of reviews-v2."""
_REPORTER = {"reporter": "reporter"}
_DESTINATION = {"destination": "destination_service_name", "reporter": "reporter"}


def _istio(metric: str, *matchers: Matcher, calls: bool = False) -> Selector:
    """Return an Istio metric of one arm: of the requests that it answers, or of those that it sends."""
    if calls:
        own: tuple[Matcher, ...] = (Matcher(label="source_workload", operator="=", value="{workload}"),)
    else:
        own = (
            Matcher(label="destination_service_name", operator="=", value="{service}"),
            Matcher(label="destination_version", operator="=", value="{version}"),
        )
    return Selector(metric=f"istio_{metric}", matchers=(*own, *matchers), also=(f"envoy_istio_{metric}",))


def _pod(metric: str, *matchers: Matcher, container: bool = True) -> Selector:
    """Return a metric of the pods of one arm. The rows of cAdvisor without a container are sums and pauses."""
    own = (
        Matcher(label="namespace", operator="=", value="{namespace}"),
        Matcher(label="pod", operator="=~", value=_POD),
    )
    real = (Matcher(label="container", operator="!~", value="|POD|istio-proxy"),) if container else ()
    return Selector(metric=metric, matchers=(*own, *real, *matchers))


def _is(label: str, value: str, operator: str = "=~") -> Matcher:
    return Matcher(label=label, operator=operator, value=value)


class _More(TypedDict, total=False):
    events: Selector
    of: Selector
    scale: float
    labels: Mapping[str, str]
    mean: bool
    phase: PhaseKind
    at_end: bool


def _one(name: str, kind: Kind, meaning: str, unit: str, *worse: Direction, **more: Unpack[_More]) -> ServerIndicator:
    return ServerIndicator(name=name, kind=kind, meaning=meaning, unit=unit, worse=worse, **more)


_REQUESTS, _CALLS = _istio("requests_total"), _istio("requests_total", calls=True)
SERVER_INDICATORS: tuple[ServerIndicator, ...] = (
    _one(
        "server:error_rate",
        Kind.RATIO,
        "share of the arm's answers that are 5xx, or that never came",
        "ratio",
        _INCREASE,
        events=_istio("requests_total", _is("response_code", _FAILED)),
        of=_REQUESTS,
        labels=_REPORTER,
    ),
    _one(
        "server:success_rate",
        Kind.RATIO,
        "share of the arm's answers that are no error",
        "ratio",
        _DECREASE,
        events=_istio("requests_total", _is("response_code", _FAILED, "!~")),
        of=_REQUESTS,
        labels=_REPORTER,
    ),
    _one(
        "server:grpc_error_rate",
        Kind.RATIO,
        "share of the arm's gRPC answers whose status is a server's error",
        "ratio",
        _INCREASE,
        events=_istio(
            "requests_total", _is("request_protocol", "grpc", "="), _is("grpc_response_status", _GRPC_FAILED)
        ),
        of=_istio("requests_total", _is("request_protocol", "grpc", "=")),
        labels=_REPORTER,
    ),
    _one(
        "server:latency_pNN",
        Kind.QUANTILE,
        "quantile of the time that the arm's proxy took to answer",
        "s",
        _INCREASE,
        events=_istio("request_duration_milliseconds"),
        scale=1e-3,
        labels=_REPORTER,
    ),
    _one(
        "server:request_rate",
        Kind.RATE,
        "requests per second that the arm answers, against its planned share",
        "req/s",
        _DECREASE,
        _INCREASE,
        _EITHER,
        events=_REQUESTS,
        labels=_REPORTER,
    ),
    _one(
        "server:tcp_received",
        Kind.RATE,
        "bytes per second that the arm receives over TCP",
        "B/s",
        _EITHER,
        _INCREASE,
        _DECREASE,
        events=_istio("tcp_received_bytes_total"),
        labels=_REPORTER,
    ),
    _one(
        "server:tcp_sent",
        Kind.RATE,
        "bytes per second that the arm sends over TCP",
        "B/s",
        _EITHER,
        _INCREASE,
        _DECREASE,
        events=_istio("tcp_sent_bytes_total"),
        labels=_REPORTER,
    ),
    _one(
        "server:tcp_connections",
        Kind.RATE,
        "TCP connections per second that the arm accepts",
        "1/s",
        _EITHER,
        _INCREASE,
        _DECREASE,
        events=_istio("tcp_connections_opened_total"),
        labels=_REPORTER,
    ),
    _one(
        "calls:error_rate",
        Kind.RATIO,
        "share of the arm's calls that fail without an injected fault",
        "ratio",
        _INCREASE,
        events=_istio(
            "requests_total", _is("response_code", _FAILED), _is("response_flags", _INJECTED, "!~"), calls=True
        ),
        of=_CALLS,
        labels=_DESTINATION,
    ),
    _one(
        "calls:dose",
        Kind.RATIO,
        "share of the arm's calls that an injected fault hits (response flags DI and FI)",
        "ratio",
        _INCREASE,
        _DECREASE,
        events=_istio("requests_total", _is("response_flags", _INJECTED), calls=True),
        of=_CALLS,
        labels=_DESTINATION,
    ),
    _one(
        "calls:latency_pNN",
        Kind.QUANTILE,
        "quantile of the time that the arm waits for its calls",
        "s",
        _INCREASE,
        events=_istio("request_duration_milliseconds", calls=True),
        scale=1e-3,
        labels=_DESTINATION,
    ),
    _one(
        "calls:per_request",
        Kind.QUOTIENT,
        "calls that the arm makes for each request that it answers",
        "",
        _INCREASE,
        _DECREASE,
        _EITHER,
        events=_CALLS,
        of=_REQUESTS,
        labels=_DESTINATION,
    ),
    _one(
        "calls:attempts",
        Kind.QUOTIENT,
        "times that the arm's proxy sends each call, with its retries",
        "",
        _INCREASE,
        events=_istio("attempts_total", calls=True),
        of=_CALLS,
        labels=_DESTINATION,
    ),
    _one(
        "calls:retries",
        Kind.RATE,
        "requests per second that the arm's proxy sends again",
        "req/s",
        _INCREASE,
        events=_pod("envoy_cluster_upstream_rq_retry", container=False),
    ),
    _one(
        "calls:overflows",
        Kind.RATE,
        "requests per second that a circuit breaker of the arm's proxy refuses",
        "req/s",
        _INCREASE,
        events=_pod("envoy_cluster_upstream_rq_pending_overflow", container=False),
    ),
    _one(
        "calls:ejections",
        Kind.GAUGE,
        "endpoints that the arm's proxy has ejected as outliers",
        "",
        _INCREASE,
        events=_pod("envoy_cluster_outlier_detection_ejections_active", container=False),
    ),
    _one(
        "calls:ejections_left",
        Kind.GAUGE,
        "endpoints that the arm's proxy still ejects in the last third of a recovery phase: they did not come back",
        "",
        _INCREASE,
        events=_pod("envoy_cluster_outlier_detection_ejections_active", container=False),
        phase=PhaseKind.RECOVERY,
        at_end=True,
    ),
    _one(
        "cpu",
        Kind.RATE,
        "CPU cores that each pod of the arm uses; compare arms with equal shares of the load",
        "cores",
        _INCREASE,
        events=_pod("container_cpu_usage_seconds_total"),
        mean=True,
    ),
    _one(
        "cpu_per_request",
        Kind.QUOTIENT,
        "CPU time for each request that the arm answers",
        "s",
        _INCREASE,
        events=_pod("container_cpu_usage_seconds_total"),
        of=_REQUESTS,
        labels=_REPORTER,
    ),
    _one(
        "cpu_throttled",
        Kind.RATIO,
        "share of the scheduling periods in which the arm's CPU was throttled",
        "ratio",
        _INCREASE,
        events=_pod("container_cpu_cfs_throttled_periods_total"),
        of=_pod("container_cpu_cfs_periods_total"),
    ),
    _one(
        "memory",
        Kind.GAUGE,
        "working set of each pod of the arm",
        "bytes",
        _INCREASE,
        events=_pod("container_memory_working_set_bytes"),
        mean=True,
    ),
    _one(
        "descriptors",
        Kind.GAUGE,
        "open file descriptors of each pod of the arm",
        "",
        _INCREASE,
        events=_pod("container_file_descriptors"),
        mean=True,
    ),
    _one(
        "threads",
        Kind.GAUGE,
        "threads of each pod of the arm",
        "",
        _INCREASE,
        events=_pod("container_threads"),
        mean=True,
    ),
    _one(
        "restarts",
        Kind.COUNT,
        "container restarts of the arm since the run began",
        "",
        _INCREASE,
        events=_pod("kube_pod_container_status_restarts_total"),
    ),
    _one(
        "oom_kills",
        Kind.COUNT,
        "times that the arm ran out of memory since the run began",
        "",
        _INCREASE,
        events=_pod("container_oom_events_total"),
    ),
)
"""By kind of metric: requests, calls, resources."""


def server_indicator(name: str) -> ServerIndicator | None:
    """Return the built-in indicator that a name is about, ``server:latency_p99`` for example; None for another name."""
    for one in SERVER_INDICATORS:
        if one.name == name or (one.kind is Kind.QUANTILE and name.startswith(one.name.removesuffix("NN"))):
            return one
    return None
