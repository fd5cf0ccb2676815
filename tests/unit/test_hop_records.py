"""The hops of a run are kept in its bundle, and the differences of counters survive a restarted proxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recorded

from harness.bundle import read_bundle, write_bundle
from harness.errors import RecordError
from harness.mesh.local.hop_counting import hop_totals, merged
from harness.mesh.local.telemetry import DURATION, SIZE, TAGS
from harness.model.hops import Hop, HopTotal
from harness.runner.hop_log import grown

HOP = Hop(
    phase="fault", arm="canary", caller="reviews-v3", destination="ratings.shop.svc.cluster.local", version="v1",
    calls=3, errors=1, attempts=4, latency_ms=((12.0, 1.0, 2), (400.0, 10.0, 1)),
    size_bytes=((40.0, 1.0, 3),), statuses=((200, 2), (503, 1)),
)  # fmt: skip


def total(calls: int, **latency: int) -> HopTotal:
    """What a proxy has counted."""
    return HopTotal(
        caller="reviews-v3", caller_version="v3", app="reviews", destination="ratings", version="v1", calls=calls,
        attempts=calls, latency_ms={(float(low.removeprefix("ms")), 1.0): count for low, count in latency.items()},
    )  # fmt: skip


def test_hops_are_kept_one_on_each_line(tmp_path: Path) -> None:
    """They are read as they were written."""
    write_bundle(recorded.record(hops=(HOP, HOP)), tmp_path)
    assert 2 == len((tmp_path / "hops.ndjson").read_text().splitlines())
    assert (HOP, HOP) == read_bundle(tmp_path).hops


def test_a_bundle_without_hops_can_be_read(tmp_path: Path) -> None:
    """Older bundles have none."""
    write_bundle(recorded.record(), tmp_path)
    assert not (tmp_path / "hops.ndjson").exists()
    assert () == read_bundle(tmp_path).hops


def test_hops_that_were_added_later_are_not_read(tmp_path: Path) -> None:
    """A file that the manifest does not list is no part of the record, and a listed one must be as it was."""
    write_bundle(recorded.record(), tmp_path)
    (tmp_path / "hops.ndjson").write_text("{}\n")
    assert () == read_bundle(tmp_path).hops
    write_bundle(recorded.record(hops=(HOP,)), tmp_path)
    (tmp_path / "hops.ndjson").write_text("{}\n")
    with pytest.raises(RecordError, match=r"hops\.ndjson: missing or changed"):
        read_bundle(tmp_path)


def test_a_proxy_that_restarted_counts_from_zero() -> None:
    """Fewer calls than before are all new ones, and so are its latencies."""
    (found,) = grown([total(100, ms5=100)], [total(7, ms5=7)])
    assert (7, {(5.0, 1.0): 7}) == (found.calls, dict(found.latency_ms))


def test_histograms_that_lag_behind_the_counters_are_noticed() -> None:
    """Envoy merges the histograms of its threads a moment later; a few missing calls are none of that."""
    assert merged([total(100, ms5=98), total(3)])
    assert not merged([total(100, ms5=100), total(100)])


def test_what_nobody_called_meanwhile_is_left_out() -> None:
    """A hop without a call in the phase is no row; a new one is counted from zero."""
    (found,) = grown([], [total(2, ms5=2)])
    assert (2, 2) == (found.calls, found.attempts)
    assert [] == list(grown([total(5, ms5=5)], [total(5, ms5=5)]))


def statistic(
    workload: str, low: float, count: int, *, width: float = 1, metric: str = DURATION, status: str = "200"
) -> dict[str, object]:
    """What Envoy shows of the latencies of calls to a workload of reviews v3."""
    tags = dict.fromkeys(TAGS, "unknown") | {
        "destination_service": "reviews", "destination_version": "v3", "destination_workload": workload,
        "response_code": status,
    }  # fmt: skip
    name = f"istio.{metric}." + ".".join(f"{tag}.{value}" for tag, value in tags.items())
    return {"name": name, "totals": [{"lower_bound": low, "width": width, "count": count}]}


def test_processes_of_the_same_version_are_its_instances() -> None:
    """Their latencies are told apart if there are several; an answer of the proxy itself has no process."""
    several = [statistic("reviews-v3", 5, 3), statistic("reviews-v3-b", 90, 4), statistic("unknown", 300, 2)]
    (found,) = hop_totals(json.dumps({"stats": [{"histograms": {"details": several}}]}))
    assert {"reviews-v3": {(5.0, 1.0): 3}, "reviews-v3-b": {(90.0, 1.0): 4}} == found.instances
    assert 9 == sum(found.latency_ms.values())
    (found,) = hop_totals(json.dumps({"stats": [{"histograms": {"details": several[:1]}}]}))
    assert {} == found.instances


def test_a_call_that_its_caller_gave_up_is_told_from_answers() -> None:
    """It lasted as long as the caller waited; what did not come has no size."""
    shown = [
        statistic("reviews-v3", 15, 3), statistic("reviews-v3", 400, 2, width=10, status="0"),
        statistic("reviews-v3", 380, 3, width=10, metric=SIZE), statistic("reviews-v3", 0, 2, metric=SIZE, status="0"),
    ]  # fmt: skip
    (found,) = hop_totals(json.dumps({"stats": [{"histograms": {"details": shown}}]}))
    assert {(15.0, 1.0): 3, (400.0, 10.0): 2} == found.latency_ms
    assert {(400.0, 10.0): 2} == found.given_up_ms
    assert {(380.0, 10.0): 3} == found.size_bytes


def test_durations_are_known_to_the_millisecond() -> None:
    """Envoy counts whole milliseconds: what took less than one took some time too."""
    shown = [statistic("reviews-v3", 0, 3, width=0), statistic("reviews-v3", 2, 4, width=0.1)]
    (found,) = hop_totals(json.dumps({"stats": [{"histograms": {"details": shown}}]}))
    assert {(0.0, 1.0): 3, (2.0, 1.0): 4} == found.latency_ms
