"""Counting what proxies saw: the hits of each fault by caller, and the requests of each arm."""

from dataclasses import replace

from recorded import samples

from harness.faults import abort, delay
from harness.model.counts import RequestCount
from harness.model.samples import CANARY
from harness.runner.counts import arm_requests, attributed, fault_counts, not_lost, service_name
from harness.runner.counts import own_shares as shares_of

ARMS = {"v2": "baseline", "v3": "canary"}


def row(total, *, version="v2", to="ratings.default.svc.cluster.local", flags="-", caller="reviews", at="v1"):
    """One row of the proxies' counters."""
    return RequestCount(
        source_workload=f"{caller}-{version}", source_version=version, destination_service=to,
        destination_version=at, response_code="200", response_flags=flags, total=total,
    )  # fmt: skip


def counted(fault, **given):
    """What a fault says that it hit."""
    return fault_counts(fault, fault.declared(f"{fault.kind}-0"), **given)


def test_what_a_proxy_has_forgotten_is_kept():
    """It counts from zero again, or has lost a row; calls that wait are counted as they are now."""
    waiting = replace(row(9), reporter="waiting")
    earlier = (row(100), row(50, at="v9"), waiting)
    later = (row(3), row(7, version="v3"), replace(waiting, total=1))
    assert {row(100), row(50, at="v9"), row(7, version="v3"), replace(waiting, total=1)} == set(
        not_lost(earlier, later)
    )
    assert not_lost(earlier, (row(101),))[0] == row(101)


def test_hits_are_counted_whenever_they_end_and_misses_within_the_window():
    """A delayed request that ends after the fault was removed still counts as a request of the window."""
    live = (row(100), row(3, flags="DI"))
    before_removal = (row(170), row(20, flags="DI"))
    end = (row(500), row(30, flags="DI"), row(3, flags="DC,DI"))
    (count,) = counted(
        delay("ratings", "2s", percent=30),
        phase="fault",
        live=live,
        before_removal=before_removal,
        end=end,
        arms=ARMS,
    )
    assert (100, 30, "baseline", "reviews-v2", 0.3) == (count.requests, count.hit, count.arm, count.caller, count.dose)


def test_each_caller_has_its_own_row_and_others_hosts_do_not_count():
    """Both arms call the host, so there are two rows; calls of another host are not counted."""
    end = (
        row(10),
        row(5, flags="FI"),
        row(8, version="v3"),
        row(7, version="v3", flags="FI"),
        row(99, to="details.default"),
    )
    counts = counted(abort("ratings", 503), phase="fault", live=(), before_removal=end, end=end, arms=ARMS)
    assert {("baseline", 15, 5), ("canary", 15, 7)} == {(c.arm, c.requests, c.hit) for c in counts}


def test_a_fault_in_the_called_sides_proxies_is_counted_by_them():
    """Callers' proxies see answers without a flag then; the called side counts them, and nothing is counted twice."""
    arrived = {"reporter": "destination"}
    end = (
        row(20), row(12), replace(row(26), **arrived), replace(row(6, flags="FI"), **arrived)
    )  # fmt: skip
    (count,) = counted(
        abort("ratings", 503, percent=20, inbound=True),
        phase="fault",
        live=(),
        before_removal=end,
        end=end,
        arms=ARMS,
    )
    assert (32, 6, "baseline") == (count.requests, count.hit, count.arm)


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
    """The short name is the same for every form of the host."""
    assert {"ratings"} == {
        service_name(host) for host in ("ratings", "ratings.shop", "ratings.shop.svc.cluster.local:9080")
    }


def test_unanswered_requests_go_to_the_arm_where_the_proxies_saw_them():
    """A canary that hangs sends no mark, but its requests still count as its failures."""
    made = samples(unknown=30)
    seen = {"baseline": int((made.arm == 0).sum()), "canary": int((made.arm == CANARY).sum()) + 30, "": 0}
    assert int((made.arm == CANARY).sum()) + 30 == int((attributed(made, seen).arm == CANARY).sum())


def test_unanswered_requests_stay_unknown_where_it_is_not_certain():
    """Nothing is guessed when both arms lack requests or when the numbers do not add up."""
    made = samples(unknown=30)
    seen = {"baseline": int((made.arm == 0).sum()) + 10, "canary": int((made.arm == CANARY).sum()) + 20, "": 0}
    assert made is attributed(made, seen)
    assert made is attributed(made, {})


def test_calls_of_others_do_not_thin_the_dose_of_test_traffic():
    """Only the baseline serves users too: the calls of each arm count by the run's share of its requests."""
    reviews = "reviews.default.svc.cluster.local"
    live = (row(50, caller="users", version="latest", to=reviews, at="v2"),)
    before_removal = (
        row(350, caller="users", version="latest", to=reviews, at="v2"),
        row(100, caller="loadgenerator", version="latest", to=reviews, at="v2"),
        row(100, caller="loadgenerator", version="latest", to=reviews, at="v3"),
        row(350, version="v2"),
        row(50, version="v2", flags="FI"),
        row(52, version="v3"),
        row(48, version="v3", flags="FI"),
    )
    shares = shares_of({"baseline": 100, "canary": 99}, live, before_removal, service="reviews", arms=ARMS)
    assert {"baseline": 0.25, "canary": 1.0, "": 199 / 500} == shares
    counts = counted(abort("ratings", 503, percent=50), phase="fault", live=live, before_removal=before_removal,
        end=before_removal, arms=ARMS, own_shares=shares,
    )  # fmt: skip
    assert [("baseline", 100, 50, 0.25), ("canary", 100, 48, 1.0)] == [
        (count.arm, count.requests, count.hit, count.test_share) for count in counts
    ]
