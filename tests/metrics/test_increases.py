"""Counters as growth over blocks: resets, gaps, instances that come and go, clocks that differ, and stale readings."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from odd_prometheus import Asked, Said, odd_prometheus, result

from harness.clients.prometheus import Prometheus
from harness.judge.objectives import parse_objective
from harness.metrics.increases import in_step, increase, summed
from harness.metrics.promql import filled, matches, unknown_placeholder
from harness.metrics.server_side import Measured, from_prometheus, wanted_of
from harness.model.phase import Phase, PhaseKind
from harness.model.server_indicator import Matcher

NAN = math.nan
ARMS = {arm: {"namespace": "d", "service": "r", "workload": f"r-{v}", "version": v, "arm": arm}
        for arm, v in (("baseline", "v1"), ("canary", "v2"))}  # fmt: skip


def test_a_reset_counter_begins_at_zero() -> None:
    """What it shows after the reset is what it counted since."""
    assert [5, 3, 4] == increase(np.array([10.0, 15.0, 3.0, 7.0])).tolist()


def test_gaps_stay_gaps() -> None:
    """Neither block next to a missing reading is known, and the growth across it belongs to no block."""
    np.testing.assert_array_equal([NAN, NAN, 5], increase(np.array([10.0, NAN, 90.0, 95.0])))


def test_a_part_that_has_not_begun_is_zero_where_the_whole_is_known() -> None:
    """A proxy shows a status from the first request with it on; before, there were none."""
    events = {("a",): np.array([NAN, NAN, 2.0, 3.0])}
    whole = {("a",): np.array([10.0, 20.0, 30.0, 40.0]), ("b",): np.array([1.0, 1.0, 1.0, 1.0])}
    assert [0, 2, 1] == summed(events, among=whole, blocks=3).tolist()


def test_events_of_an_instance_that_the_whole_does_not_have_are_not_lost() -> None:
    """Templates that are summed by different labels never hide an error."""
    events = {("code=503",): np.array([0.0, 4.0])}
    assert [4] == summed(events, among={("a",): np.array([0.0, 10.0])}, blocks=1).tolist()


def test_an_instance_that_ends_takes_nothing_away() -> None:
    """A pod that is replaced has gaps, and the others go on."""
    readings = {("old",): np.array([10.0, 15.0, NAN, NAN]), ("new",): np.array([NAN, NAN, 3.0, 7.0])}
    np.testing.assert_array_equal([5, NAN, 4], summed(readings, blocks=3))


def test_readings_between_the_instants_are_none() -> None:
    """Infinities are no readings either."""
    found = in_step([0.0, 1.4, 2.0, 3.0], [1.0, 2.0, math.inf, 4.0], np.array([0.0, 1.0, 2.0, 3.0]))
    np.testing.assert_array_equal([1, NAN, NAN, 4], found)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ('x{version="{version}"}', ""),
        ('x{pod=~"a{2,3}-{workload}.*"}[{window}]', ""),
        ('x{version="{verson}"}', "found {verson}, did you mean 'version'"),
    ],
)
def test_an_unknown_placeholder_is_named_with_the_nearest(template: str, wrong: str) -> None:
    """Braces of PromQL and of regular expressions are none."""
    assert wrong in unknown_placeholder(template)
    if not wrong:
        assert "{version}" not in filled(template, {**ARMS["canary"], "window": "4s"})


def test_matchers_decide_as_prometheus_does() -> None:
    """They are anchored, and a missing label is an empty one."""
    assert matches(Matcher(label="a", operator="=~", value="5..|0"), {"a": "503"}, {})
    assert not matches(Matcher(label="a", operator="=~", value="5"), {"a": "503"}, {})
    assert matches(Matcher(label="a", operator="!~", value="x"), {}, {})
    assert not matches(Matcher(label="a", operator="!=", value=""), {}, {})


ZERO, AHEAD = 10_000.0, 3600.0


def counting(asked: Asked, *, ahead_s: float = 0.0, stale_from: float = math.inf) -> Said:
    """A Prometheus with one proxy that answers ten requests a second and is scraped every five seconds."""
    params = asked.params
    if asked.path.endswith("/values"):
        return Said(body='{"status": "success", "data": ["destination"]}')
    if params.get("query") == "time()":
        return result(ZERO + ahead_s, str(ZERO + ahead_s), kind="scalar")
    start, end, step = (float(params[name]) for name in ("start", "end", "step"))
    instants = [start + step * index for index in range(round((end - start) / step) + 1)]
    scraped = {at: min(math.floor(at / 5) * 5, stale_from) for at in instants}
    if "timestamp(" in params["query"]:
        return result({"metric": {"instance": "a"}, "values": [[at, str(scraped[at])] for at in instants]})
    rate = 1 if "response_code" in params["query"] else 10
    return result({"metric": {"instance": "a"}, "values": [[at, str(rate * (scraped[at] - 5000))] for at in instants]})


def measured(**odd: float) -> Measured:
    """The error rate of a minute."""
    phases = [Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=60.0)]
    wanted = wanted_of(
        [parse_objective("server:error_rate < 20%")], SimpleNamespace(gauges=(), indicators=()), shown=()
    )
    with odd_prometheus(lambda asked: counting(asked, **odd)) as (url, _), Prometheus(url) as server:
        return from_prometheus(server, wanted, arms=ARMS, zero_s=ZERO, phases=phases, clock=lambda: ZERO)


def test_blocks_are_two_scrapes_long_and_inside_the_phase() -> None:
    """Of six blocks of ten seconds the first may count what came before."""
    whole = next(one for one in measured().series if one.name == "server:error_rate#of")
    assert (5, 15, 25, 35, 45, 55) == whole.at_s
    np.testing.assert_array_equal([NAN, 100, 100, 100, 100, 100], whole.values)


def test_a_clock_an_hour_apart_is_measured_and_said() -> None:
    """The questions are about the server's times, and the series about ours."""
    found = measured(ahead_s=AHEAD)
    assert ["Prometheus's clock is 60m00s ahead of ours; its times were shifted"] == list(found.notes)
    assert 55 == found.series[0].at_s[-1]
    assert math.isfinite(found.series[0].values[-1])


def test_readings_that_are_only_repeated_are_gaps() -> None:
    """A Prometheus that stopped to scrape repeats the last reading for five minutes."""
    whole = next(one for one in measured(stale_from=ZERO + 20).series if one.name == "server:error_rate#of")
    assert 100 == whole.values[1]
    assert all(math.isnan(value) for value in whole.values[4:])
