"""Each proof holds for a run that went as planned, and each can fail alone."""

from dataclasses import replace

import pytest
from recorded import fault_count, record, samples

from harness.model.record import Event, Rollback, Series
from harness.runner.proofs import proofs


def failed(made):
    """Return the names of the proofs that did not hold."""
    return [proof.name for proof in proofs(made) if not proof.held]


def test_every_proof_holds_for_a_run_as_planned():
    """A run with the planned split, dose, counts and rollback fails no proof."""
    assert [] == failed(record())


BROKEN = {
    "split": {"samples": samples(canary_share=0.4)},
    "arms known": {"samples": samples(unknown=30)},
    "dose of delay(ratings, 2 s, 30 %), canary": {"fault_counts": (fault_count("baseline"), fault_count("canary", hit=50))},
    "dose of delay(ratings, 2 s, 30 %), baseline": {"fault_counts": (fault_count("canary"),)},
    "dose of delay(ratings, 2 s, 30 %)": {"fault_counts": ()},
    "counted alike": {"proxy_requests": {"baseline": 1300, "canary": 1000, "": 0}},
    "complete answers": {"events": (Event(at_s=26.0, kind="doubt", text="Prometheus warns: a store is away"),)},
    "undisturbed": {"events": (Event(at_s=12.0, kind="drift", text="VirtualService shop/reviews: somebody changed it"),)},
    "rollback": {"rollbacks": (Rollback(change="split", verified=False, seconds=5.0, detail="still in listener 3"),)},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_proof_fails_when_what_it_proves_did_not_happen(name):
    """One thing that goes wrong fails only the proof about it."""
    assert [name] == failed(record(**BROKEN[name]))


def test_a_run_without_rollbacks_or_with_changed_resources_is_not_proven_to_be_undone():
    """The proof of the rollback fails if no undo was recorded, or if a resource differs afterwards."""
    made = record()
    left = {**made.resources["before"][0], "spec": {"http": [{"name": "harness-a1b2-0"}]}}
    assert ["rollback"] == failed(record(rollbacks=()))
    assert ["rollback"] == failed(record(resources={**made.resources, "after": (left,)}))


def test_a_run_without_requests_proves_nothing():
    """Without samples in judged phases, the proofs of the split and of the arms fail."""
    nothing = samples().where(samples().due_s < 1)
    assert {"split", "arms known"} <= set(failed(record(samples=nothing)))


def test_a_failed_proof_says_what_was_expected_and_what_was_seen():
    """The texts contain numbers with units."""
    dose = next(
        p for p in proofs(record(fault_counts=(fault_count("baseline"), fault_count("canary", hit=50)))) if not p.held
    )
    assert "30 % of the calls hit" == dose.expected
    assert dose.observed.startswith("10 % [")
    assert dose.observed.endswith("of 500")


@pytest.mark.parametrize(
    "seen", [{"baseline": 2580, "canary": 20, "": 0}, {"baseline": 1298, "canary": 1302, "": 0, "other": 40}], ids=str
)
def test_a_route_changed_behind_the_run_is_seen_arm_by_arm(seen):
    """The marks name both arms, but the proxies saw one arm only, or a third version."""
    assert ["counted alike"] == failed(record(proxy_requests=seen))


def test_aborted_requests_have_no_version_at_the_proxies():
    """Proxies count an abort on the service under test without a version; its mark tells the arm."""
    arms = record().proxy_requests
    seen = {"baseline": arms["baseline"] - 300, "canary": arms["canary"] - 280, "": 580}
    assert [] == failed(record(proxy_requests=seen))


def test_a_configured_prometheus_must_have_readings_of_both_arms():
    """A series that is empty or has only gaps does not count."""

    def series(arm, *values):
        times = tuple(map(float, range(len(values))))
        return Series(name="request rate", arm=arm, unit="req/s", source="q", at_s=times, values=values)

    config = {"prometheus": "http://127.0.0.1:9"}
    gaps = series("canary", float("nan"), float("nan"))
    assert ["server-side series"] == failed(record(config=config))
    assert ["server-side series"] == failed(record(config=config, series=(series("baseline", 1.0), gaps)))
    assert [] == failed(record(config=config, series=(series("baseline", 1.0), series("canary", 2.0))))


@pytest.mark.parametrize(("seconds", "names"), [(4.0, []), (9.0, ["watched"])])
def test_a_run_that_nobody_watched_for_long_proves_nothing(seconds, names):
    """Limits were not checked during that time; a short moment is only reported."""
    blind = Event(at_s=12.0, kind="blind", text="nobody looked", fields={"seconds": seconds})
    assert names == failed(record(events=(blind,)))


def test_requests_without_any_answer_are_told_apart_from_unmarked_answers():
    """Nobody should look for a lost mark if the machine was too slow."""
    made = samples(unknown=100)
    made.status[made.arm == -1] = 0
    (proof,) = [proof for proof in proofs(record(samples=made)) if proof.name == "arms known"]
    assert not proof.held
    assert "of them no answer at all" in proof.observed
    assert "could not keep up" in proof.remedy


def test_with_real_users_proxies_may_count_more_but_not_less():
    """If only test traffic is changed, users' requests are counted too; a sample that no proxy saw still fails."""
    cluster = {"cluster": {"only_test_traffic": True}}
    arms = record().proxy_requests
    busy = {"baseline": arms["baseline"] + 5000, "canary": arms["canary"], "": 0, "other": 300}
    with_users = {"plan": replace(record().plan, target="cluster"), "config": cluster}
    assert [] == failed(record(**with_users, proxy_requests=busy))
    assert ["counted alike"] == failed(record(proxy_requests=busy))
    assert ["counted alike"] == failed(record(**with_users, proxy_requests={**busy, "canary": 900}))


@pytest.mark.parametrize(("target", "names"), [("another", []), ("local", ["counted alike"])])
def test_the_kind_of_the_mesh_says_whether_real_users_are_there(target, names):
    """The local mesh has no real users, and a mesh that is not installed here may have some."""
    arms = record().proxy_requests
    busy = {"baseline": arms["baseline"] + 5000, "canary": arms["canary"], "": 0, "other": 300}
    plan, config = replace(record().plan, target=target), {"cluster": {"only_test_traffic": True}}
    assert names == failed(record(plan=plan, config=config, proxy_requests=busy))
