"""Changes of routes and destinations are tried from small to large until one passes a full run."""

import argparse
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from replay_records import demo_config, demo_record, hop, write_demo

from harness.cli import replay_try
from harness.errors import CannotReplay, ServiceError, UsageError
from harness.faults import abort, delay, timeout
from harness.faults.port import Signals
from harness.judge.objectives import parse_objective
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.topology import Service, Topology
from harness.model.hit import HitState
from harness.model.verdict import Verdict
from harness.replay.asked import read_asked
from harness.replay.at_service import AtService, moved_to_service
from harness.replay.changes_to_try import Try, applied, in_order, parse_try, short_list, snippet
from harness.replay.counterfactuals import at_the_service, changed, hosts_of, smallest_that_passes, usual_p99_ms
from harness.replay.playing import Player
from harness.replay.running import require_troubles
from harness.replay.script import Script, Trouble
from harness.replay.staging import Options, longer, shortened, staged

SLOW = delay("ratings", "2s", percent=30)
HOSTS = ("ratings", "details")


@pytest.fixture
def stage_of(tmp_path):
    """A function that prepares the replay of a failed run with faults."""

    def prepare(*faults):
        asked = read_asked(write_demo(tmp_path / "run", demo_record(faults=faults))[0])
        finding = replace(
            asked.analysis.findings[0], objective=parse_objective("error_rate < +50pp"), verdict=Verdict.FAIL
        )
        failed = replace(asked.analysis, verdict=Verdict.FAIL, findings=(finding,))
        return staged(replace(asked, analysis=failed), demo_config(), Options())

    return prepare


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("timeout=400ms", Try(kind="timeout", host="ratings", time_s=0.4)),
        ("retries=0", Try(kind="retries", host="ratings")),
        ("details.retries=3x60ms", Try(kind="retries", host="details", number=3, time_s=0.06)),
        ("outlier=5", Try(kind="outlier", host="ratings", number=5)),
        ("connections=100", Try(kind="connections", host="ratings", number=100)),
    ],
)
def test_changes_are_read_and_shown(text, change):
    """The first service is meant unless the text names one."""
    assert change == parse_try(text, HOSTS)
    assert change == parse_try(str(change), HOSTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timeot=1s", "did you mean"), ("timeout", "expected all or NAME=VALUE"), ("timeout=soon", "soon"),
        ("timeout=0s", "at least 1ms"), ("retries=x", "whole number"), ("outlier=0", "whole number"),
        ("rating.timeout=1s", "did you mean"), ("retries=3x", "x"),
    ],
)  # fmt: skip
def test_other_changes_are_refused(text, said):
    """With what is allowed."""
    with pytest.raises(UsageError, match=said):
        parse_try(text, HOSTS)


def test_the_short_list_goes_from_small_to_large():
    """A timeout is twice the usual p99, and an attempt gets 1.25 times of it."""
    tries = short_list("ratings", 22.0)
    assert "ratings.timeout=50ms" == str(tries[0])
    assert "ratings.retries=4x30ms" in map(str, tries)
    assert in_order(tries) == in_order(tuple(reversed(tries)))
    assert ["timeout", "retries", "outlier", "connections"] == list(dict.fromkeys(one.kind for one in in_order(tries)))


@pytest.mark.parametrize("text", ["timeout=400ms", "retries=3x60ms", "retries=0", "outlier=5", "connections=100"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_change_is_a_valid_resource(text, existing):
    """New, or added to the one that governs the host; the local mesh takes both, and the old one is left alone."""
    old = {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "mine"},
        "spec": {"hosts": ["ratings"], "http": [{"timeout": "9s", "route": [{"destination": {"host": "ratings"}}]}]},
    }  # fmt: skip
    rule = {
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "mine"},
        "spec": {"host": "ratings", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}},
    }  # fmt: skip
    before = (old, rule) if existing else ()
    resources, resource = applied(parse_try(text, HOSTS), before, namespace="default")
    services = (Service(name="ratings", namespace="default", port=9080),)
    check_for_local_mesh(resources, Topology(namespace="default", callers=(), services=services))
    assert resource == yaml.safe_load(snippet(resource))
    assert (2 if existing else 1) == len(resources)
    assert "9s" == old["spec"]["http"][0]["timeout"]
    if existing:
        assert "mine" == resource["metadata"]["name"]
        assert "RANDOM" in str(rule["spec"])


def test_faults_move_to_the_service():
    """Envoy's own come before its timeouts and retries, so no change of a route could help against those."""
    assert ("ratings", Trouble(phase="fault", share=0.3, delay_s=2.0)) == moved_to_service(SLOW)
    assert ("ratings", Trouble(phase="fault", share=1.0, status=503)) == moved_to_service(abort("ratings", 503))
    with pytest.raises(CannotReplay, match="expected a delay or an abort"):
        moved_to_service(timeout("ratings", "1s"))


def test_a_moved_fault_is_played_in_front_of_the_service(stage_of):
    """The real service runs behind a stand-in that makes the trouble."""
    stage = at_the_service(stage_of(SLOW))
    assert ["ratings-v1"] == [one.name for one in stage.fronted]
    (front,) = stage.script_with({"ratings-v1": "127.0.0.1:7"}).stand_ins
    assert ("127.0.0.1:7", (Trouble(phase="fault", share=0.3, delay_s=2.0),)) == (front.forward, front.troubles)
    (fault,) = stage.scenario.faults
    assert isinstance(fault, AtService)
    assert "delay(ratings, 2 s, 30 %) at the service" == str(fault)
    assert ("ratings",) == hosts_of(stage)
    with pytest.raises(CannotReplay, match="expected a run with a fault"):
        at_the_service(replace(stage, scenario=replace(stage.scenario, faults=())))


def counts_of_phases(front, *phases):
    """What the stand-in counts of a hundred requests in each of these phases."""
    player = Player(Script(seed=1, stand_ins=(front,)))
    answer = player.answering(front)
    for phase in phases:
        player.controlled("POST", f"/phase/{phase}", {})
        for _ in range(100):
            answer("GET", "/ratings/0", {})
    return json.loads(player.controlled("GET", "/counts", {}).body)["counts"]


def test_a_moved_fault_must_have_hit_requests(stage_of):
    """The proxies do not see what it hits, so the stand-in says it; a change does not pass because nothing was wrong."""
    stage = at_the_service(stage_of(SLOW))
    (front,) = stage.script_with({"ratings-v1": "127.0.0.1:7"}).stand_ins
    calls = (hop("ratings", "v1", arm="canary", phase="fault"),)
    with pytest.raises(ServiceError, match=r"ratings: expected its stand-in to make trouble for 100 calls .* found 0"):
        require_troubles(stage, counts_of_phases(front, "steady"), calls)
    require_troubles(stage, counts_of_phases(front, "steady", "fault"), calls)


def test_a_moved_fault_must_have_its_dose(stage_of):
    """A fault that hit fewer requests than recorded, or began late, would let a change pass that fixes nothing."""
    stage = at_the_service(stage_of(SLOW))
    (front,) = stage.script_with({"ratings-v1": "127.0.0.1:7"}).stand_ins
    calls = tuple(hop("ratings", "v1", arm=arm, phase="fault") for arm in ("baseline", "canary"))
    late = counts_of_phases(front, "steady", "fault")
    with pytest.raises(ServiceError, match=r"trouble for 200 calls .* found 100"):
        require_troubles(stage, late, calls)
    mild = replace(front, troubles=(replace(front.troubles[0], share=0.05),))
    with pytest.raises(ServiceError, match=r"expected 30 % of 200 requests delayed here, found 10: .* another dose"):
        require_troubles(stage, counts_of_phases(mild, "fault", "fault"), calls)
    require_troubles(stage, counts_of_phases(front, "fault", "fault"), calls)


def test_faults_of_one_service_have_their_doses_together(stage_of):
    """Two delays hit what either of them hits; an error is counted for itself."""
    stage = at_the_service(stage_of(SLOW, delay("ratings", "1s", percent=50), abort("ratings", 503, percent=10)))
    (front,) = stage.script_with({"ratings-v1": "127.0.0.1:7"}).stand_ins
    require_troubles(stage, counts_of_phases(front, *["fault"] * 10), ())
    without_one = replace(front, troubles=front.troubles[1:])
    with pytest.raises(ServiceError, match="expected 65 % of 1000"):
        require_troubles(stage, counts_of_phases(without_one, *["fault"] * 10), ())


def test_the_usual_p99_is_the_recorded_one(stage_of):
    """Of the steady phase; a service that nobody called has none."""
    assert 16.0 < usual_p99_ms(stage_of(SLOW), "ratings") < 17.0
    with pytest.raises(CannotReplay, match="expected calls to details"):
        usual_p99_ms(stage_of(SLOW), "details")


def verdicts(stage, short, full=()):
    """What is found if short and full replays say this, by the text of the change, and what was told."""
    told, begun = [], []

    def say(known, default):
        def analysis(one):
            text = one.scenario.name.partition(" with ")[2]
            verdict = known.get(text, default)
            failed = replace(stage.asked.analysis.findings[0], verdict=verdict)
            return replace(stage.asked.analysis, verdict=verdict, findings=(failed,))

        return analysis

    tries = [parse_try(text, ["ratings"]) for text in ("timeout=100ms", "retries=1", "retries=2", "retries=3")]
    found = smallest_that_passes(
        tries, stage, short=say(short, Verdict.FAIL), full=say(dict(full), Verdict.PASS),
        trying=lambda number, change: begun.append((number, str(change or ""))),
        tell=lambda tried: told.append(str(tried.change or "")),
    )  # fmt: skip
    assert list(dict.fromkeys(told)) == [change for _, change in begun]
    assert list(range(len(begun))) == [number for number, _ in begun]
    return found and str(found.change), told


def test_the_smallest_change_that_passes_a_full_run_is_found(stage_of):
    """A short replay rules changes out; one that passes the short replay must pass the full one too."""
    stage = at_the_service(stage_of(SLOW))
    short = {"ratings.retries=1": Verdict.INCONCLUSIVE, "ratings.retries=2": Verdict.PASS}
    found, told = verdicts(stage, short, {"ratings.retries=1": Verdict.INCONCLUSIVE}.items())
    assert "ratings.retries=2" == found
    first = ["", "ratings.timeout=100ms", *["ratings.retries=1"] * 3]
    assert [*first, "ratings.retries=2", "ratings.retries=2"] == told
    assert None is verdicts(stage, {})[0]


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.INCONCLUSIVE, 11)])
def test_a_change_that_was_not_decided_is_no_change_that_fails(stage_of, monkeypatch, capsys, verdict, code):
    """The command says which one, because a quieter machine may tell more."""
    asked = stage_of(SLOW).asked
    late = []

    def replayed(_, stage, *, quiet):
        told = verdict if " with " in stage.scenario.name else Verdict.FAIL
        found = replace(asked.analysis, verdict=told)
        late.append(len(late) == 1)
        return SimpleNamespace(difference=SimpleNamespace(sides=(None, SimpleNamespace(analysis=found))), late=late[-1])

    monkeypatch.setattr(replay_try, "replay_once", replayed)
    args = argparse.Namespace(try_=["timeout=100ms"])
    assert code == replay_try.try_changes(args, asked, demo_config(), Options())
    said = capsys.readouterr().out
    assert (code == 11) is ("ratings.timeout=100ms was not decided" in said)
    assert 1 == said.count("this machine was too busy")
    assert "trying   no change\n" in said
    assert "trying   ratings.timeout=100ms, 1 of 1\n" in said


def test_without_the_failure_nothing_is_tried(stage_of):
    """A change proves nothing if the run does not fail without it."""
    stage = at_the_service(stage_of(SLOW))
    with pytest.raises(CannotReplay, match="without a change, the failure is not reproduced"):
        verdicts(stage, {"": Verdict.PASS})


def test_a_change_is_named_in_the_scenario(stage_of):
    """The bundle of each replay says what was tried."""
    stage, resource = changed(stage_of(SLOW), parse_try("timeout=100ms", HOSTS))
    assert "replay of slow ratings with ratings.timeout=100ms" == stage.scenario.name
    assert resource in stage.resources
    assert (0.0, 3.0) == (shortened(stage).scenario.steady_s, shortened(stage).scenario.fault_s)
    assert (6.0, 3.0) == (longer(stage).scenario.fault_s, longer(stage).scenario.fault_s.least_s)
    assert HitState.SEEN is AtService(SLOW).hit(Signals(), Signals()).state


def test_a_longer_replay_leaves_a_watched_phase_as_short(stage_of):
    """Twice as long, a recovery of six seconds would have to show every objective by itself."""
    stage = stage_of(SLOW)
    scenario = replace(stage.scenario, recovery_s=6.0)
    finding = replace(stage.asked.analysis.findings[0], phase="recovery", watched=True)
    analysis = replace(stage.asked.analysis, findings=(finding,))
    watched = replace(stage, scenario=scenario, asked=replace(stage.asked, analysis=analysis))
    assert (6.0, 6.0) == (longer(watched).scenario.recovery_s, longer(watched).scenario.fault_s)
    assert 12.0 == longer(replace(stage, scenario=scenario)).scenario.recovery_s
