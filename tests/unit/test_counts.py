"""Counting what proxies saw: each fault's hits by caller, each arm's requests."""

from recorded import samples

from harness.mesh.port import RequestCount
from harness.model.fault import abort, delay
from harness.model.samples import CANARY
from harness.runner.counts import arm_requests, attributed, fault_counts, service_name

ARMS = {"v2": "baseline", "v3": "canary"}


def row(total, *, version="v2", to="ratings.default.svc.cluster.local", flags="-", caller="reviews", at="v1"):
    """One row of the proxies' counters."""
    return RequestCount(
        source_workload=f"{caller}-{version}", source_version=version, destination_service=to,
        destination_version=at, response_code="200", response_flags=flags, total=total,
    )  # fmt: skip


def test_hits_are_counted_whenever_they_end_and_misses_within_the_window():
    """A delayed request that ends after the fault was removed still was one of the window's requests."""
    live = (row(100), row(3, flags="DI"))
    before_removal = (row(170), row(20, flags="DI"))
    end = (row(500), row(30, flags="DI"), row(3, flags="DC,DI"))
    (count,) = fault_counts(
        delay("ratings", "2s", percent=30), phase="fault", live=live, before_removal=before_removal, end=end, arms=ARMS
    )
    assert (100, 30, "baseline", "reviews-v2", 0.3) == (count.requests, count.hit, count.arm, count.caller, count.dose)


def test_each_caller_has_its_own_row_and_others_hosts_do_not_count():
    """Two arms, one foreign host: two rows."""
    end = (
        row(10),
        row(5, flags="FI"),
        row(8, version="v3"),
        row(7, version="v3", flags="FI"),
        row(99, to="details.default"),
    )
    counts = fault_counts(abort("ratings", 503), phase="fault", live=(), before_removal=end, end=end, arms=ARMS)
    assert {("baseline", 15, 5), ("canary", 15, 7)} == {(c.arm, c.requests, c.hit) for c in counts}


def test_requests_by_arm_are_differences_and_aborted_ones_have_no_arm():
    """Istio reports an injected abort without the destination's version."""
    reviews = "reviews.default.svc.cluster.local"
    start = (row(5, caller="loadgenerator", version="latest", to=reviews, at="v2"),)
    end = (
        row(15, caller="loadgenerator", version="latest", to=reviews, at="v2"),
        row(9, caller="loadgenerator", version="latest", to=reviews, at="v3"),
        row(2, caller="loadgenerator", version="latest", to=reviews, at="unknown", flags="FI"),
    )
    found = arm_requests(start, end, service="reviews", caller="loadgenerator-latest", arms=ARMS)
    assert {"baseline": 10, "canary": 9, "": 2, "other": 0} == found


def test_a_service_has_one_short_name():
    """Whatever form the host is written in."""
    assert {"ratings"} == {
        service_name(host) for host in ("ratings", "ratings.shop", "ratings.shop.svc.cluster.local:9080")
    }


def test_unanswered_requests_go_to_the_arm_where_the_proxies_saw_them():
    """A canary that hangs sends no mark; its requests are its failures all the same."""
    made = samples(unknown=30)
    seen = {"baseline": int((made.arm == 0).sum()), "canary": int((made.arm == CANARY).sum()) + 30, "": 0}
    assert int((made.arm == CANARY).sum()) + 30 == int((attributed(made, seen).arm == CANARY).sum())


def test_unanswered_requests_stay_unknown_where_it_is_not_certain():
    """When both arms lack some, or the numbers do not add up, nothing is guessed."""
    made = samples(unknown=30)
    seen = {"baseline": int((made.arm == 0).sum()) + 10, "canary": int((made.arm == CANARY).sum()) + 20, "": 0}
    assert made is attributed(made, seen)
    assert made is attributed(made, {})
