"""Client of Prometheus's HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests import RequestException

from harness.clients.http import http_get
from harness.errors import MeshError, MetricsError

_TIMEOUT_S, _CHECK_TIMEOUT_S = 10, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeResult:
    """One series of a result: labels, times in epoch seconds and as many values (NaN where the server sent NaN)."""

    labels: Mapping[str, str]
    times_s: tuple[float, ...]
    values: tuple[float, ...]


def check_reachable(url: str) -> None:
    """Send the server a trivial query. Raises MetricsError if it does not answer within two seconds."""
    try:
        http_get(f"{url.rstrip('/')}/api/v1/query?query=1", timeout_s=_CHECK_TIMEOUT_S)
    except MeshError as error:
        raise MetricsError(f"Prometheus at {url}: {error}") from error


class Prometheus:
    """A Prometheus server. As a context manager, it closes its connections on exit."""

    def __init__(self, url: str) -> None:
        """Remember the server's URL; nothing is sent yet."""
        self._url = url
        self._server = PrometheusConnect(url=url, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def query_range(self, query: str, *, start_s: float, end_s: float, step_s: float) -> tuple[RangeResult, ...]:
        """Evaluate a PromQL expression every ``step_s`` seconds between two epoch times. Raises MetricsError."""
        start, end = (datetime.fromtimestamp(at, UTC) for at in (start_s, end_s))
        try:
            answer = self._server.custom_query_range(query, start_time=start, end_time=end, step=f"{step_s:g}s")
        except RequestException as error:
            raise MetricsError(
                f"Prometheus at {self._url}: expected an answer, found {type(error).__name__}; "
                "check that it is running and that the URL is right"
            ) from error
        except PrometheusApiClientException as error:
            raise MetricsError(f"Prometheus at {self._url} rejected {query!r}: {str(error)[:256]}") from error
        return tuple(
            RangeResult(
                labels=one["metric"],
                times_s=tuple(float(at) for at, _ in one["values"]),
                values=tuple(float(value) for _, value in one["values"]),
            )
            for one in answer
        )
