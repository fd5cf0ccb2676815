"""What each workload calls on a cluster: from the metrics of Istio that sidecars show, whatever restarts meanwhile."""

from __future__ import annotations

import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open, pod

from harness.errors import MeshError
from harness.mesh.port import CountsHops
from harness.metrics.hops import cause_of
from harness.model.hops import HopTotal
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Event
from harness.runner.hop_log import HopLog, grown
from harness.runner.timeline import Timeline

RATINGS, REVIEWS = (f"{name}.shop.svc.cluster.local" for name in ("ratings", "reviews"))


def counted(
    total: int,
    *,
    reporter: str = "source",
    caller: str = "reviews-v3",
    to: str = RATINGS,
    version: str = "v1",
    code: str = "200",
    flags: str = "-",
    grpc: str = "",
    edge: int = 10,
) -> str:
    """Return a sidecar's metrics of so many requests, all of which took half of ``edge`` to ``edge`` milliseconds."""
    app, _, own = caller.rpartition("-")
    labels = (
        f'reporter="{reporter}",source_workload="{caller}",source_app="{app}",source_version="{own}",'
        f'destination_service="{to}",destination_version="{version}",response_code="{code}",'
        f'grpc_response_status="{grpc}",response_flags="{flags}"'
    )
    buckets = "".join(
        f'istio_request_duration_milliseconds_bucket{{{labels},le="{le}"}} {count}\n'
        for le, count in ((edge / 2, 0), (edge, total), ("+Inf", total))
    )
    return f"istio_requests_total{{{labels}}} {total}\n{buckets}"


def hops(before: tuple[HopTotal, ...], after: tuple[HopTotal, ...]) -> dict[tuple[str, str, str, str], HopTotal]:
    """What was counted between two readings."""
    return {(one.caller, one.destination.split(".")[0], one.version, one.instance): one for one in grown(before, after)}


def test_calls_are_counted_by_caller_destination_and_status(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Of both reporters of a call the caller is believed; injected failures are no errors of the hop."""
    with open_mesh() as mesh:
        assert isinstance(mesh, CountsHops)
        fake.request_totals = {"reviews-3": counted(10)}
        before = mesh.hop_totals()
        fake.request_totals = {
            "reviews-3": counted(110) + counted(20, code="503") + counted(7, code="500", flags="FI", version="unknown")
            + counted(5, grpc="14"),
            "ratings-1": counted(135, reporter="destination"),
        }  # fmt: skip
        found = hops(before, mesh.hop_totals())
    own = found["reviews-v3", "ratings", "v1", ""]
    assert (125, 25, 0) == (own.calls, own.errors, own.injected)
    assert ({200: 105, 503: 20}, {(5.0, 5.0): 125}) == (own.statuses, own.latency_ms)
    assert ("reviews", "v3", None) == (own.app, own.caller_version, own.attempts)
    aborted = found["reviews-v3", "ratings", "", ""]
    assert (7, 0, 7) == (aborted.calls, aborted.errors, aborted.injected)
    assert 2 == len(found)


def test_calls_that_were_given_up_are_told_from_answers(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Istio counts them with the status 0, and their time is how long the caller waited."""
    with open_mesh() as mesh:
        assert isinstance(mesh, CountsHops)
        fake.request_totals = {"reviews-3": counted(10)}
        before = mesh.hop_totals()
        fake.request_totals = {"reviews-3": counted(30) + counted(7, code="0", flags="DC")}
        found = hops(before, mesh.hop_totals())["reviews-v3", "ratings", "v1", ""]
    assert {(5.0, 5.0): 27} == found.latency_ms
    assert {(5.0, 5.0): 7} == found.given_up_ms


def test_load_from_a_gateway_is_counted_by_the_instances(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Its proxy is in another namespace, so each pod tells what it answered."""
    fake.put(pod("reviews-4", app="reviews", version="v3"))
    with open_mesh(load_workload="door") as mesh:
        fake.request_totals = {"reviews-3": counted(1, reporter="destination", caller="door", to=REVIEWS)}
        before = mesh.hop_totals()
        fake.request_totals = {
            name: counted(total, reporter="destination", caller="door", to=REVIEWS, version="v3", edge=50)
            for name, total in (("reviews-3", 40), ("reviews-4", 60))
        }
        found = hops(before, mesh.hop_totals())
    assert {
        ("loadgenerator", "reviews", "v3", "reviews-3"): 40,
        ("loadgenerator", "reviews", "v3", "reviews-4"): 60,
    } == {key: one.calls for key, one in found.items()}


def test_a_pod_that_restarts_or_goes_loses_no_calls_of_others(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Its counters begin at zero again, while those of the other pods of the workload go on."""
    with open_mesh() as mesh:
        fake.request_totals = {"reviews-1": counted(1000), "reviews-3": counted(1000)}
        before = mesh.hop_totals()
        fake.request_totals = {"reviews-1": counted(200), "reviews-3": counted(1500)}
        middle = mesh.hop_totals()
        assert [700] == [one.calls for one in hops(before, middle).values()]
        fake.request_totals = {"reviews-3": counted(1600)}
        assert [100] == [one.calls for one in hops(middle, mesh.hop_totals()).values()]


def test_proxies_without_metrics_of_istio_are_said(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The run is judged without its hops, and its timeline says why."""
    fake.request_totals = {"reviews-3": "envoy_server_uptime 7\n"}
    with open_mesh() as mesh, pytest.raises(MeshError, match="the proxies show no metrics of Istio"):
        mesh.hop_totals()


def test_a_count_that_is_no_number_is_refused(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A proxy that says NaN has counted nothing that can be compared."""
    fake.request_totals = {"reviews-3": counted(3).replace(" 3\n", " NaN\n")}
    with open_mesh() as mesh, pytest.raises(MeshError, match="expected a count in the metrics of reviews-3, found nan"):
        mesh.hop_totals()


def test_a_slow_instance_is_the_probable_cause(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The caller in the mesh counts the calls, and each pod of the canary tells how long its own took."""
    fake.put(pod("reviews-4", app="reviews", version="v3"))
    noted: list[Event] = []
    steady = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=60)

    def pages(calls: int) -> dict[str, str]:
        """The caller's sidecar, and those of one pod of the baseline and two of the canary, one of which is slow."""
        sent = counted(2 * calls, caller="page-v1", to=REVIEWS, edge=50) + counted(
            2 * calls, caller="page-v1", to=REVIEWS, version="v3", edge=50
        )
        answered = {"reviews-1": ("v1", 2, 50), "reviews-3": ("v3", 1, 50), "reviews-4": ("v3", 1, 100)}
        return {
            "productpage-1": sent,
            **{
                name: counted(
                    times * calls, reporter="destination", caller="page-v1", to=REVIEWS, version=version, edge=edge
                )
                for name, (version, times, edge) in answered.items()
            },
        }

    with open_mesh() as mesh:
        log = HopLog(
            mesh, Timeline(lambda: 0.0, noted.append), service="reviews", app="reviews",
            arms={"v1": "baseline", "v3": "canary"},
        )  # fmt: skip
        fake.request_totals = pages(10)
        with log.during("steady", judged=True):
            fake.request_totals = pages(1010)
    assert not noted
    hop = next(one for one in log.hops() if one.arm == "canary")
    assert 2000 == hop.calls
    assert {"reviews-3": 1000, "reviews-4": 1000} == {
        name: sum(count for *_, count in bins) for name, bins in hop.instances
    }
    cause = cause_of(log.hops(), service="reviews", phases=[steady])
    assert cause is not None
    assert ("slow instance", "reviews") == (cause.kind, cause.hop)
    assert "reviews-4" in cause.sentence
