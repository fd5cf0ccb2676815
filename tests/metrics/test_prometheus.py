"""Server-side series, from a real Prometheus."""

import time

import pytest

from harness.clients.processes.ports import free_ports
from harness.clients.prometheus import Prometheus
from harness.errors import MetricsError
from harness.metrics import server_side_series
from harness.model.config import Gauge


def last(series, name, arm):
    """The newest value of one series."""
    (found,) = [one for one in series if (one.name, one.arm) == (name, arm)]
    return found.values[-1]


def test_rates_errors_and_quantiles_come_by_arm(prometheus):
    """What the proxies count is seen per version, with the unit of the query."""
    with Prometheus(prometheus) as server:
        end = time.time()
        series = server_side_series(
            server, service="reviews", versions={"baseline": "v2", "canary": "v3"}, zero_s=end - 3, end_s=end
        )
    assert 100 == pytest.approx(last(series, "request rate", "baseline"), rel=0.5)
    assert 0.1 == pytest.approx(last(series, "server error rate", "canary"), rel=0.5)
    assert 0.010 >= last(series, "server latency p99", "baseline")
    assert 0.025 < last(series, "server latency p99", "canary") <= 0.050
    assert all(-1 <= at <= 4 for one in series for at in one.at_s)


def test_an_arm_without_traffic_has_an_empty_series_and_no_zero(prometheus):
    """Missing data is never a value."""
    with Prometheus(prometheus) as server:
        end = time.time()
        series = server_side_series(server, service="reviews", versions={"canary": "v9"}, zero_s=end - 3, end_s=end)
    assert {()} == {one.values for one in series if one.name == "request rate"}


RATE = 'rate(envoy_istio_requests_total{destination_version="{version}"}[5s])'


def test_gauges_are_asked_for_each_arm(prometheus):
    """The arm's words are put into PromQL, whose own braces stay."""
    gauge = Gauge(name="load", query=f"sum({RATE})", unit="rps")
    with Prometheus(prometheus) as server:
        end = time.time()
        versions = {"baseline": "v2", "canary": "v3"}
        series = server_side_series(
            server, service="reviews", versions=versions, zero_s=end - 3, end_s=end, gauges=[gauge]
        )
    assert 100 == pytest.approx(last(series, "load", "canary"), rel=0.5)
    assert {"rps"} == {one.unit for one in series if one.name == "load"}


def test_a_gauge_of_several_series_is_refused(prometheus):
    """Which of them would be the arm's is not for us to guess."""
    gauge, end = Gauge(name="load", query=RATE), time.time()
    with (
        Prometheus(prometheus) as server,
        pytest.raises(MetricsError, match=r"load: expected one series .* found 2 .*sum"),
    ):
        server_side_series(
            server, service="reviews", versions={"canary": "v3"}, zero_s=end - 3, end_s=end, gauges=[gauge]
        )


def test_a_server_that_is_not_there_is_named():
    """The error names the URL."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with Prometheus(url) as server, pytest.raises(MetricsError, match=url):
        server.query_range("up", start_s=0, end_s=1, step_s=1)


def test_an_expression_it_refuses_is_named_with_its_reason(prometheus):
    """A bad expression is an error with Prometheus' own words."""
    with Prometheus(prometheus) as server, pytest.raises(MetricsError, match="parse error"):
        server.query_range("sum(", start_s=0, end_s=1, step_s=1)
