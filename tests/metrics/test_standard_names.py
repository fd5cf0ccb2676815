"""Every built-in indicator gives the right value on a real Prometheus with the names and labels that clusters have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from recorded_metrics import LENGTH_S, recorded_prometheus

from harness.cli import main
from harness.clients.prometheus import Prometheus
from harness.config import read_config
from harness.judge.objectives import parse_objective
from harness.metrics.hops import cause_of
from harness.metrics.live_traffic import live_series, matchers_of
from harness.metrics.server_side import Measured, from_prometheus, scrape_interval, wanted_of
from harness.metrics.topology import recent_hops
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.server_table import SERVER_INDICATORS
from harness.runner.dependencies import dependencies
from harness.runner.suite import Circumstances, trials

ROOT = Path(__file__).parents[2]

ARMS = {
    arm: {
        "namespace": "default",
        "service": "reviews",
        "workload": f"reviews-{version}",
        "version": version,
        "arm": arm,
    }
    for arm, version in (("baseline", "v2"), ("canary", "v3"))
}
EXPECTED = {
    "server:error_rate < +9pp": (0.01, 0.02),
    "server:error_rate{reporter=waypoint} < +9pp": (0.05, 0.05),
    "server:error_rate{reporter=source} < +9pp": (0.0, 0.0),
    "server:success_rate > -9pp": (0.99, 0.98),
    "server:grpc_error_rate < +9pp": (1 / 19, 2 / 20),
    "server:latency_p50 < +9%": (0.0375, 0.075),
    "server:request_rate > -9%": (100, 100),
    "server:tcp_received < +9%": (1000, 2000),
    "server:tcp_sent < +9%": (500, 700),
    "server:tcp_connections < +9%": (3, 4),
    "calls:error_rate < +9pp": (0.05, 10 / 140),
    "calls:dose < 50%": (0.05, 10 / 140),
    "calls:latency_p50{destination=ratings} < +9%": (0.0075, 0.0175),
    "calls:per_request{destination=ratings} < +9%": (1.0, 1.4),
    "calls:attempts < +9%": (1.1, 1.2),
    "calls:retries < +9%": (8, 6),
    "calls:overflows < +9%": (4, 4),
    "calls:ejections < 1": (0, 2),
    "calls:ejections_left < 1": (0, 2),
    "cpu < +9%": (0.3, 0.5),
    "cpu_per_request < +9%": (0.006, 0.005),
    "cpu_throttled < +9pp": (0.05, 0.1),
    "memory < +9%": (1e8, 1.2e8),
    "descriptors < +9%": (30, 40),
    "threads < +9%": (8, 9),
    "restarts < 1": (2 * 0.01 * 600, 0),
    "oom_kills < 1": (0, 0.01 * 600),
}
"""What each arm measures in 600 s. The baseline has two pods."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, int]]:
    """The Prometheus, and when its samples begin."""
    with recorded_prometheus(tmp_path_factory.mktemp("prometheus")) as (url, zero_s), Prometheus(url) as found:
        yield found, zero_s


def over_ten_minutes(
    server: tuple[Prometheus, int], texts: Iterable[str], *, service: str = "reviews", with_hops: bool = False
) -> Measured:
    """What some objectives are judged on."""
    config = SimpleNamespace(gauges=(), indicators=())
    wanted = wanted_of([parse_objective(text) for text in texts], config, shown=())
    phases = [Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=600.0)]
    asked, zero_s = server
    begin, now = zero_s + LENGTH_S - 600.0, asked.now_s()
    arms = {arm: {**words, "service": service} for arm, words in ARMS.items()}
    return from_prometheus(
        asked, wanted, arms=arms, zero_s=begin, phases=phases, interval_s=5.0, with_hops=with_hops, clock=lambda: now
    )


@pytest.fixture(scope="module")
def measured(server: tuple[Prometheus, int]) -> Measured:
    """Every indicator."""
    return over_ten_minutes(server, EXPECTED)


def test_every_built_in_indicator_is_checked() -> None:
    """A new one has to be added here."""
    names = {parse_objective(text).plain_name.replace("_p50", "_pNN") for text in EXPECTED}
    assert {one.name for one in SERVER_INDICATORS} == names


def test_nothing_is_missing(measured: Measured) -> None:
    """Every indicator has readings of both arms."""
    assert () == measured.notes


@pytest.mark.parametrize("text", EXPECTED)
def test_an_indicator_has_the_right_value(measured: Measured, text: str) -> None:
    """Rates, shares and quantiles in the middle of the time; counts at its end."""
    name = text.partition(" ")[0]
    for arm, expected in zip(ARMS, EXPECTED[text], strict=True):
        (found,) = (one for one in measured.series if (one.name, one.arm) == (name, arm))
        values = [value for value in found.values if math.isfinite(value)]
        seen = values[-1] if found.name in {"restarts", "oom_kills"} else values[len(values) // 2]
        assert seen == pytest.approx(expected, rel=0.02, abs=1e-9), (arm, found.source)


def test_each_metric_has_the_reporter_that_counts_it(server: tuple[Prometheus, int]) -> None:
    """In ambient mode a waypoint counts requests, and ztunnel the bytes of TCP."""
    found = over_ten_minutes(server, ["server:request_rate > -9%", "server:tcp_sent < +9%"], service="cart")
    assert () == found.notes
    assert {"server:request_rate": 40, "server:tcp_sent": 300} == pytest.approx(
        {one.name: one.values[30] for one in found.series if one.arm == "canary"}
    )


def test_labels_that_differ_between_the_arms_are_said(server: tuple[Prometheus, int]) -> None:
    """What one side counted is never compared with what the other side did."""
    found = over_ten_minutes(server, ["server:request_rate > -9%"], service="desk")
    assert found.notes == (
        "server:request_rate: no reading of the canary: no label reporter='destination'; known: source",
    )


def test_the_interval_between_scrapes_is_found(server: tuple[Prometheus, int]) -> None:
    """Blocks are two of them long."""
    asked, zero_s = server
    assert 5.0 == scrape_interval(asked, ARMS, until_s=zero_s + LENGTH_S)


def test_labels_alone_find_the_same(server: tuple[Prometheus, int]) -> None:
    """``harness judge --prometheus`` counts the answers by status, HTTP and gRPC."""
    asked, zero_s = server
    arms = {arm: matchers_of(f'{{service="reviews",version="{words["version"]}"}}') for arm, words in ARMS.items()}
    found = live_series(
        asked, [parse_objective("server:error_rate < +9pp")], arms, start_s=zero_s + 100, end_s=zero_s + 700
    )
    assert () == found.notes
    totals = {
        (one.name, one.arm): sum(value for value in one.values if math.isfinite(value))
        for one in found.series
        if one.name.startswith("answers{") and one.name.endswith("#events")
    }
    shares = {name: totals[name, "canary"] / totals[name, "baseline"] for name, arm in totals if arm == "canary"}
    assert {
        "answers{response_code=200}#events": 98 / 99, "answers{response_code=503}#events": 2.0,
        "answers{grpc_response_status=0}#events": 1.0, "answers{grpc_response_status=14}#events": 2.0,
    } == pytest.approx(shares, rel=0.01)  # fmt: skip


def test_what_a_service_calls_is_known_without_a_run(server: tuple[Prometheus, int]) -> None:
    """From the calls that the mesh itself counted, with how many there are for each request; requests need no arm's mark."""
    _, zero_s = server
    config = replace(read_config(ROOT / "harness.yaml"), prometheus=server[0]._url)
    bare = replace(config, services={**config.services, "reviews": replace(config.services["reviews"], calls={})})
    lately = recent_hops(bare, since_s=600, until_s=zero_s + LENGTH_S)
    assert [] == [*dependencies(bare, (), ())]
    (found,) = dependencies(bare, (), (), lately)
    assert ("ratings", 1.0, "no timeout") == (
        found.name,
        pytest.approx(found.calls, abs=0.02),
        found.why.split(", ")[1],
    )
    tried, _ = trials([found], Circumstances(config=bare, target="cluster"))
    assert {"ratings"} == {one.dependency.name for one in tried}


def test_the_command_asks_the_prometheus_of_the_configuration(
    server: tuple[Prometheus, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far back as it is told to."""
    versions = "{versions: {v1: {}, v2: {}, v3: {}}}"
    text = f"service: reviews\narms: {{baseline: v2, canary: v3}}\nservices: {{reviews: {versions}}}\n"
    (tmp_path / "harness.yaml").write_text(f"{text}load: {{profile: browse}}\nprometheus: {server[0]._url}\n")
    assert 0 == main(["suite", "--config", str(tmp_path / "harness.yaml"), "--since", "6h"])
    assert "1 calls per request, no timeout" in capsys.readouterr().out


def test_hops_are_read_where_the_proxies_were_not_asked(server: tuple[Prometheus, int]) -> None:
    """Each arm's answers by pod and its calls, with statuses and latencies, and the probable cause that follows."""
    found = over_ten_minutes(server, ["server:error_rate < +9pp"], with_hops=True)
    answered = {hop.instance: hop for hop in found.hops if hop.destination.startswith("reviews")}
    assert {"reviews-v2-6f5c4d7b9-bcd4f": "baseline", "reviews-v3-7b9d8c5f4-klmn7": "canary"} == {
        name: hop.arm for name, hop in answered.items()
    }
    own = answered["reviews-v3-7b9d8c5f4-klmn7"]
    assert (59_000, {200: 57_820, 503: 1180}) == (own.calls, dict(own.statuses))
    assert (2 * 1180, ((50.0, 50.0, 59_000),)) == (own.errors, own.latency_ms)
    calls = {(hop.arm, hop.version): hop for hop in found.hops if hop.destination.startswith("ratings")}
    assert (134 * 590, 10 * 590, 4 * 590) == (
        calls["canary", "v1"].calls, calls["canary", "v1"].errors, calls["canary", "v1"].injected
    )  # fmt: skip
    assert (6 * 590, 0, 6 * 590) == (
        calls["canary", ""].calls, calls["canary", ""].errors, calls["canary", ""].injected
    )  # fmt: skip
    phases = [PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=600.0)]
    cause = cause_of(found.hops, service="reviews", phases=phases)
    assert cause is not None
    assert cause.sentence.startswith("7.14 % of the calls to ratings of reviews-v3 fail (reviews-v2: 5 %)")
