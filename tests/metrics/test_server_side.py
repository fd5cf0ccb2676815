"""Indicators of the server side, from a real Prometheus that scrapes a real Envoy under load with faults."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from measured_mesh import Lab, lab, of
from needed import needed_program

from harness.clients.prometheus import Prometheus
from harness.errors import MetricsError
from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Scene
from harness.judge.objectives import parse_objective
from harness.metrics.server_side import scrape_interval
from harness.model.server_indicator import Kind, ServerIndicator
from harness.stats.table import reduce_samples
from harness.stats.window import window_of

ERRORS, P90, DOSE = "server:error_rate < +5pp", "calls:latency_p90 < +10%", "calls:dose{destination=ratings} < 60%"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One run for all tests of this file."""
    needed_program("prometheus", package="prometheus", purpose="for real server-side series")
    with lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


def evidence(measured, text: str):
    """What the judge makes of an objective."""
    objective = parse_objective(text)
    window = window_of(reduce_samples(_nothing(), (), block_s=1.0), "steady")
    return indicator_of(objective).contrast(objective, Scene(window=window, share=0.5, series=measured.series))


def _nothing():
    from harness.model.samples import no_samples  # noqa: PLC0415

    return no_samples()


def test_errors_and_doses_agree_with_what_the_callers_saw(run: Lab) -> None:
    """A tenth of the canary's answers fail. A delay of 30 % and an abort of 20 % hit 44 % of the calls."""
    measured = run.by_prometheus(ERRORS, DOSE, "calls:error_rate < +1pp", "calls:per_request < +10%")
    assert not measured.notes
    shares = {arm: np.mean([status >= 500 for _, status in run.seen.answers[arm]]) for arm in ("baseline", "canary")}
    found = evidence(measured, ERRORS)
    assert shares["baseline"] == pytest.approx(found.baseline.value, abs=0.01)
    assert shares["canary"] == pytest.approx(found.canary.value, abs=0.02)
    assert found.harm_tail(None, relative=False) < 1e-3
    assert 0.44 == pytest.approx(evidence(measured, DOSE).canary.value, abs=0.12)
    assert 0.0 == evidence(measured, "calls:error_rate < +1pp").canary.value  # aborts are injected, no own errors
    assert 1.0 == pytest.approx(np.nanmean(of(measured, "calls:per_request", "canary").values), abs=0.05)


def test_native_histograms_give_the_quantiles_of_the_callers(run: Lab) -> None:
    """Classic buckets put the 90th percentile of a 50 ms delay far beyond; native ones do not.

    A busy machine lets the callers wait longer than the proxies do, so they are an upper bound only.
    """
    measured = run.by_prometheus("calls:latency_p90 < +10%", "server:latency_p50 < +10%")
    callers_s = np.quantile([seconds for seconds, _ in run.seen.calls["canary"]], 0.9)
    found = evidence(measured, "calls:latency_p90 < +10%")
    assert 0.047 <= found.canary.value <= 1.12 * callers_s
    assert "wide" not in found.method
    slower = evidence(measured, "server:latency_p50 < +10%")
    assert slower.canary.value <= 1.15 * np.quantile([seconds for seconds, _ in run.seen.answers["canary"]], 0.5)
    assert slower.harm_tail(0.1, relative=True) < 1e-6


def test_a_classic_bucket_that_could_flip_the_verdict_decides_nothing(run: Lab) -> None:
    """Both arms wait the same time, somewhere between 50 and 100 ms; the page cannot tell by how much they differ."""
    found = evidence(run.by_pages(P90), P90)
    assert found.within_tail(0.1, relative=True) > 0.5
    assert found.harm_tail(0.1, relative=True) > 0.5
    assert "somewhere from 50 ms to 100 ms" in found.method


def test_prometheus_and_envoys_page_tell_the_same(run: Lab) -> None:
    """The same definitions give the same counts, up to the requests between two readings.

    On a machine that stalls, many requests may be between two readings. So the rates are those of the usual second, and
    only as alike as no mistake in a unit would leave them. Shares do not depend on when they are read.
    """
    texts = (ERRORS, "server:request_rate > -5%", "memory < +10%", "cpu < +15%", "calls:per_request < +10%")
    one, other = run.by_prometheus(*texts), run.by_pages(*texts)
    assert {(each.name, each.arm) for each in one.series} == {(each.name, each.arm) for each in other.series}
    for arm in ("baseline", "canary"):
        for name in ("server:error_rate", "memory", "calls:per_request"):
            first, second = (np.nanmean(of(each, name, arm).values) for each in (one, other))
            assert first == pytest.approx(second, rel=0.1, abs=0.03), name
        first, second = (np.nanmedian(of(each, "server:request_rate", arm).values) for each in (one, other))
        assert first == pytest.approx(second, rel=0.4)
    assert np.nanmean(of(one, "memory", "canary").values) > 1e6


def test_readings_are_at_the_same_instants_and_inside_the_phase(run: Lab) -> None:
    """Blocks are two scrapes long; the first one would count requests from before the phase."""
    measured = run.by_prometheus(ERRORS)
    baseline, canary = (of(measured, "server:error_rate#of", arm) for arm in ("baseline", "canary"))
    assert baseline.at_s == canary.at_s
    assert 1.0 == pytest.approx(np.median(np.diff(baseline.at_s)), abs=0.1)
    assert math.isnan(baseline.values[0])
    counted = np.nansum(baseline.values)
    assert 0.6 * len(run.seen.answers["baseline"]) < counted <= len(run.seen.answers["baseline"])
    with Prometheus(run.url) as server:
        assert 0.5 == pytest.approx(
            scrape_interval(server, {"canary": {"service": "reviews", "version": "v3"}}, until_s=run.zero_s + 7),
            abs=0.1,
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server:tcp_sent < +10%", "no metric istio_tcp_sent_bytes_total"),
        ("server:error_rate{reporter=destinaton} < +1pp", "no label reporter='destinaton'; known: source"),
        ("calls:dose{destination=rating} < 50%", "no label destination_service_name='rating', did you mean 'ratings'"),
    ],
)
@pytest.mark.parametrize("where", ["prometheus", "pages"])
def test_an_empty_answer_says_what_is_missing(run: Lab, text: str, expected: str, where: str) -> None:
    """The metric, or a label's value with the nearest that there is; the series is empty and never zero."""
    measured = run.by_prometheus(text) if where == "prometheus" else run.by_pages(text)
    assert any(expected in note for note in measured.notes), measured.notes
    assert evidence(measured, text) is None


def own(kind: Kind, query: str, of_query: str = "", *, scale: float = 1.0) -> SimpleNamespace:
    """A configuration with one own indicator."""
    one = ServerIndicator(
        name="mine", kind=kind, meaning="", unit="", worse=(), query=query, of_query=of_query, scale=scale
    )
    return SimpleNamespace(gauges=(), indicators=(one,))


def test_own_templates_are_judged_like_built_in_indicators(run: Lab) -> None:
    """A ratio of counters, a histogram and a gauge of PromQL."""
    counter = 'sum by (instance) (envoy_istio_requests_total{reporter="source",destination_version="{version}"'
    ratio = own(Kind.RATIO, counter + ',response_code=~"5.."})', counter + "})")
    measured = run.by_prometheus("ratio:mine < +5pp", config=ratio)
    assert 0.1 == pytest.approx(evidence(measured, "ratio:mine < +5pp").canary.value, abs=0.03)
    histogram = own(
        Kind.QUANTILE, 'sum(envoy_istio_request_duration_milliseconds{destination_version="{version}"})', scale=1e-3
    )
    measured = run.by_prometheus("histogram_p50:mine < +10%", config=histogram)
    assert 0.03 < evidence(measured, "histogram_p50:mine < +10%").canary.value < 0.5  # seconds, not milliseconds
    gauge = own(Kind.GAUGE, 'sum(rate(envoy_istio_requests_total{destination_version="{version}"}[{window}]))')
    measured = run.by_prometheus("gauge:mine < +900%", config=gauge)
    assert np.nanmean(of(measured, "mine", "canary").values) > 5
    with pytest.raises(MetricsError, match=r"mine: expected one series of the baseline, found .*: put sum"):
        run.by_prometheus(
            "gauge:mine < +9%", config=own(Kind.GAUGE, 'envoy_istio_requests_total{version!="{version}"}')
        )


def test_judging_again_needs_no_server(run: Lab) -> None:
    """The series hold everything; they survive JSON, as in a bundle."""
    measured = run.by_prometheus(ERRORS)
    again = json.loads(json.dumps([one.at_s for one in measured.series]))
    assert len(again) == len(measured.series)
    assert all("sum by (instance,pod)" in one.source for one in measured.series)
