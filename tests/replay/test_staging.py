"""A recorded run becomes a scenario of this machine, or an error that says what is missing."""

from dataclasses import replace
from pathlib import Path

import pytest
from replay_records import HOPS, demo_config, demo_record, hop, write_demo

from harness.cli.replay_words import planned_lines, told_lines
from harness.errors import CannotReplay, RecordError
from harness.faults import abort, delay, deny
from harness.faults.recorded import fault_document
from harness.gate import Outcome
from harness.judge.objectives import parse_objective
from harness.model.bodies import DependencyBody
from harness.model.phase import PhaseKind, PhaseLength, PhasePlan
from harness.model.stand_in import Body as StandInBody
from harness.model.verdict import Verdict
from harness.replay.asked import read_asked
from harness.replay.casting import judgeable
from harness.replay.comparing import compared
from harness.replay.routes import for_local_mesh
from harness.replay.running import Played
from harness.replay.staging import Options, staged

SLOW = delay("ratings", "2s", percent=30)


@pytest.fixture
def asked_of(tmp_path):
    """A function that writes a record and reads what it asked for."""
    return lambda record=None: read_asked(write_demo(tmp_path / "run", record)[0])


def without_commands(config, service, *versions):
    """The configuration with versions that cannot run here."""
    own = config.services[service]
    changed = {name: replace(one, command=None) if name in versions else one for name, one in own.versions.items()}
    return replace(config, services={**config.services, service: replace(own, versions=changed)})


def refused(asked, config=None, **options):
    """Why a run cannot be replayed."""
    with pytest.raises(CannotReplay) as caught:
        staged(asked, config or demo_config(), Options(**options))
    assert 11 == caught.value.exit_code
    return str(caught.value)


def test_the_scenario_is_the_recorded_one(asked_of):
    """Same faults, load, rate, seed, phases and judge, whatever harness.yaml says now."""
    stage = staged(asked_of(demo_record(faults=(SLOW,))), demo_config(canary_share=0.1, alpha=0.5), Options())
    scenario = stage.scenario
    assert ((SLOW,), "browse", 50.0, 3) == (scenario.faults, scenario.load, scenario.rate_rps, scenario.seed)
    assert (1.0, 3.0, 3.0) == (scenario.warm_up_s, scenario.steady_s, scenario.fault_s)
    assert (0.5, 0.01, "local") == (stage.config.canary_share, stage.config.alpha, stage.config.target)
    assert {"reviews-v2", "reviews-v3", "ratings-v1"} == {one.name for one in stage.cast.real}


def test_recorded_bodies_are_played(asked_of):
    """They are read from the bundle as they were written, and go to the stand-in of their service only."""
    bodies = tuple(
        DependencyBody(service=service, method="GET", path="/a/1", status=200, content_type="text/plain", text="é")
        for service in ("ratings", "details")
    )
    stage = staged(asked_of(demo_record(dependency_bodies=bodies)), demo_config(), Options(stand_ins=("ratings",)))
    (one,) = stage.script.stand_ins
    assert (StandInBody(path="/a/1", text="é", content_type="text/plain"),) == one.recorded
    assert any("stand-in ratings: 200 recorded calls, bodies: 1" in line for line in planned_lines(stage))


@pytest.mark.parametrize(("target", "why"), [("cluster", "its mesh record none"), ("local", "record-bytes in harness")])
def test_stand_ins_without_the_bodies_of_the_record_are_told(asked_of, target, why):
    """The plan and the list of what differs say what they answer with instead."""
    made = demo_record()
    asked = asked_of(replace(made, plan=replace(made.plan, target=target)))
    stage = staged(asked, demo_config(stand_ins={}), Options(stand_ins=("ratings",)))
    (line,) = stage.differs
    assert why in line
    assert line.endswith("empty JSON (application/json) of the recorded sizes, 70.5 bytes in the median")
    assert f"differs  {line}" in planned_lines(stage)
    outcome = Outcome(record=asked.record, analysis=asked.analysis, folder=Path("replay"))
    played = Played(outcome=outcome)
    assert f"differs  {line}" in told_lines(stage, played, compared(asked, outcome, cannot=()))
    written = demo_config(stand_ins={"ratings": (StandInBody(path="/*", text="{}"),)})
    assert () == staged(asked, written, Options(stand_ins=("ratings",))).differs


def test_sizes_that_were_not_recorded_are_told(asked_of):
    """An older record has none."""
    hops = tuple(replace(one, size_bytes=()) for one in HOPS)
    stage = staged(asked_of(demo_record(hops=hops)), demo_config(stand_ins={}), Options(stand_ins=("ratings",)))
    assert "of 2 bytes, because no sizes were recorded either" in stage.differs[0]


def test_stages_are_repeated_one_after_the_other(asked_of):
    """Each has its own fault phase again."""
    made = demo_record(faults=(SLOW,))
    faults = [fault_document(SLOW)] * 2
    asked = {**made.manifest["scenario"], "faults": faults, "stages": [1, 1], "recover_each": True}
    scenario = staged(asked_of(replace(made, manifest={"scenario": asked})), demo_config(), Options()).scenario
    assert (((SLOW,), (SLOW,)), True) == (scenario.in_order, scenario.recover_each)


def test_what_a_replay_cannot_repeat_is_noted(asked_of):
    """A shared steady phase, and noise that was learned elsewhere."""
    made = demo_record()
    judge = replace(made.plan.judge, noise={"latency_p50": 0.1}, noise_from="noise.json")
    made = replace(made, plan=replace(made.plan, judge=judge), manifest={**made.manifest, "shared": "all faults"})
    stage = staged(asked_of(made), demo_config(), Options())
    assert "shared its steady phase" in stage.notes[0]
    assert "noise of its own environment" in stage.notes[1]


def test_a_run_that_ended_early_is_asked_for_in_whole(asked_of):
    """The plan of such a run has what it carried out; the manifest has what was asked for."""
    short = demo_record()
    short = replace(short, plan=replace(short.plan, phases=(replace(short.plan.phases[0], duration_s=0.4),)))
    assert 3.0 == asked_of(short).lengths_s["steady"]


def test_a_record_of_an_older_version_is_read_by_its_plan(asked_of):
    """Without the entry in the manifest, lengths and load come from the plan and the configuration."""
    made = demo_record(manifest={})
    steady = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=9.0, least_s=4.0)
    asked = asked_of(replace(made, plan=replace(made.plan, phases=(steady,))))
    assert isinstance(asked.lengths_s["steady"], PhaseLength)
    assert ("browse", "poisson") == (asked.load, asked.arrivals)
    assert "does not say which load profile" in asked.notes[0]


def test_what_cannot_run_here_is_played(asked_of):
    """A dependency without a command becomes a stand-in with the recorded answers and the configured bodies."""
    config = without_commands(demo_config(), "ratings", "v1")
    stage = staged(asked_of(), config, Options())
    assert {"reviews-v2", "reviews-v3"} == {one.name for one in stage.cast.real}
    (ratings,) = stage.script.stand_ins
    assert ("ratings-v1", "/health", "/ratings/*") == (ratings.name, ratings.health, ratings.bodies[0].path)
    assert stage.script == staged(asked_of(), demo_config(), Options(stand_ins=("ratings",))).script
    placed = stage.placed({"ratings-v1": "127.0.0.1:7"}, asked_of().folder)
    assert "127.0.0.1:7" == placed.services["ratings"].versions["v1"].address


def test_a_command_replaces_that_of_the_configuration(asked_of):
    """The engineer's own build is the canary."""
    stage = staged(asked_of(), demo_config(), Options(canary_command="./mine --port {port} {root}"))
    assert ("./mine", "--port", "{port}", str(demo_config().root)) == stage.config.workload("reviews", "v3").command


def test_a_baseline_that_is_played_leaves_no_latency_to_judge(asked_of):
    """Objectives about latency are named as what cannot be judged."""
    both = demo_record()
    objectives = (parse_objective("latency_p50 < +20%"), parse_objective("error_rate < +1pp"))
    both = replace(both, plan=replace(both.plan, objectives=objectives))
    stage = staged(asked_of(both), without_commands(demo_config(), "reviews", "v2"), Options())
    assert ["error_rate < +1pp"] == [one.text for one in stage.scenario.objectives]
    assert "not both arms are real builds" in stage.cannot[0]
    assert {"reviews-v2"} == {one.name for one in stage.script.stand_ins}
    only = replace(both, plan=replace(both.plan, objectives=objectives[:1]))
    assert "no objective of the run can be judged here" in refused(asked_of(only), baseline_played=True)


def test_series_of_a_cluster_are_not_judged_here():
    """Its Prometheus is not on this machine."""
    gauge = parse_objective("gauge:memory < +10%")
    assert ((gauge,), ()) == judgeable([gauge], baseline_played=False, from_cluster=False)
    assert "the cluster's Prometheus" in judgeable([gauge], baseline_played=False, from_cluster=True)[1][0]


def test_only_the_fault_is_replayed_on_request(asked_of):
    """Without the steady phase and the recovery; a run without a fault has nothing to keep."""
    stage = staged(asked_of(demo_record(faults=(SLOW,))), demo_config(), Options(only_fault=True))
    assert (0.0, 3.0, 0.0) == (stage.scenario.steady_s, stage.scenario.fault_s, stage.scenario.recovery_s)
    assert "expected a run with a fault" in refused(asked_of(), only_fault=True)


def test_a_failure_outside_the_fault_phase_needs_the_whole_run(asked_of):
    """A replay of the fault phase alone cannot say that it is gone."""
    asked = asked_of(demo_record(faults=(SLOW,)))
    finding = replace(asked.analysis.findings[0], verdict=Verdict.FAIL)
    findings = {phase: replace(finding, phase=phase) for phase in ("steady", "fault")}
    failed = {
        phase: replace(asked, analysis=replace(asked.analysis, findings=found))
        for phase, found in (("steady", (findings["steady"],)), ("both", tuple(findings.values())))
    }
    only = Options(only_fault=True)
    (cannot,) = staged(failed["steady"], demo_config(), only).cannot
    assert f"{finding.objective.text}: it failed in the steady phase, which --only fault leaves out" == cannot
    for phase, options in (("both", only), ("steady", Options())):
        assert () == staged(failed[phase], demo_config(), options).cannot


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": demo_record().samples.where(demo_record().samples.due_s < 0)}, "expected samples"),
        ({"resources": {}}, "expected the resources before the run"),
        ({"manifest": {"scenario": {}}}, "expected the load of the run"),
        ({"manifest": {"scenario": {"load": "x", "arrivals": "even", "entry": "reviews", "phases": {"steady": "long"}}}}, "expected the lengths of"),
        ({"manifest": {"scenario": {"load": "x", "arrivals": "even", "entry": "reviews", "faults": [{"kind": "spell"}]}}},
         "cannot be injected again"),
    ],
)  # fmt: skip
def test_a_record_without_what_a_replay_needs_is_refused(tmp_path, change, said):
    """Each message names what is missing."""
    folder, _ = write_demo(tmp_path / "run", demo_record(**change))
    with pytest.raises(CannotReplay, match=said):
        read_asked(folder)


def test_a_bundle_of_an_unknown_version_is_refused(tmp_path):
    """Nothing of it is guessed."""
    folder, _ = write_demo(tmp_path / "run")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"format_version": 3', '"format_version": 99'))
    with pytest.raises(RecordError, match="expected format version"):
        read_asked(folder)


def test_a_service_that_the_configuration_does_not_know_is_refused(asked_of):
    """The message lists those that it knows."""
    made = demo_record()
    said = refused(asked_of(replace(made, plan=replace(made.plan, service="checkout"))))
    assert "checkout" in said
    assert "ratings, details, reviews, productpage" in said


def test_a_canary_that_cannot_run_here_is_refused(asked_of):
    """The build to look at is never played."""
    assert "--canary-command" in refused(asked_of(), without_commands(demo_config(), "reviews", "v3"))


def test_a_dependency_without_any_recorded_call_is_refused(asked_of):
    """Nobody knows what it would answer."""
    config = without_commands(demo_config(), "ratings", "v1")
    asked = asked_of(demo_record(hops=HOPS[2:]))
    assert "ratings: expected calls in the record to play it" in refused(asked, config)
    assert "no hops" in refused(asked_of(demo_record(hops=())), config)


def test_a_fault_that_the_local_mesh_cannot_make_is_refused(asked_of):
    """With what comes closest."""
    said = refused(asked_of(demo_record(faults=(abort("ratings", 503, inbound=True),))))
    assert "abort(ratings, 503, 100 %, inbound): the local mesh cannot inject it" in said
    assert "without inbound comes closest" in said
    said = refused(asked_of(demo_record(faults=(deny("ratings"),))))
    assert (
        'deny(ratings): the local mesh cannot inject it, the cluster mesh can; abort("ratings", 403) comes closest on the local mesh'
        in said
    )


def test_resources_of_a_cluster_are_fitted():
    """What only a cluster has is left out, with a sentence each."""
    route = {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "status": {},
        "metadata": {"name": "reviews", "uid": "1", "annotations": {}}, "spec": {"hosts": ["reviews"], "gateways": ["shop"]},
    }  # fmt: skip
    policy = {
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "reviews"},
        "spec": {"host": "reviews.shop.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}},
    }  # fmt: skip
    others = ({**policy, "spec": {"host": "elsewhere"}}, {**route, "kind": "Gateway", "metadata": {"name": "shop"}})
    kept, notes = for_local_mesh([route, policy, *others], namespace="shop", services=["reviews"])
    assert [{"name": "reviews"}, {"name": "reviews"}] == [one["metadata"] for one in kept]
    assert ["mesh"] == kept[0]["spec"]["gateways"]
    assert {} == kept[1]["spec"]["trafficPolicy"]
    assert 4 == len(notes)
    assert {"uid": "1", "name": "reviews", "annotations": {}} == route["metadata"]


def test_notes_of_the_record_are_told(asked_of):
    """Coarse buckets are named where the stand-in depends on them."""
    coarse = tuple(replace(one, latency_ms=((10.0, 15.0, 100),)) for one in HOPS)
    stage = staged(asked_of(demo_record(hops=coarse)), demo_config(), Options(stand_ins=("ratings",)))
    assert any("exact to the bucket" in note for note in stage.notes)
    assert not any("bucket" in note for note in staged(asked_of(), demo_config(), Options()).notes)
    assert hop("ratings", "v1", arm="canary") == HOPS[1]
