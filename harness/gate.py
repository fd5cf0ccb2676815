"""The gate: run one scenario, record it, decide from the record, write the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness import bundle, wiring
from harness.config import Config, resolved
from harness.errors import WorkloadDeath
from harness.faults.recorded import fault_document
from harness.judge.power import can_decide, undecidable, visible_effects
from harness.live_state import LiveFile
from harness.load.planning.endpoints import require_sent
from harness.mesh.port import Mesh, Warns
from harness.mesh.targets import mesh_kind
from harness.metrics.fault_gauge import faults_told
from harness.metrics.publishing import publish
from harness.model.json import JsonObject
from harness.model.names import new_run_id
from harness.model.phase import format_length
from harness.model.record import Event, Plan, Record
from harness.model.run_kind import SAME_SETTINGS
from harness.model.verdict import Analysis
from harness.report import page
from harness.run_folder import others_at_work
from harness.runner.deciding import decide
from harness.runner.declared_run import run_scenario
from harness.runner.early_death import record_of_death
from harness.runner.kept_bodies import with_bodies
from harness.runner.learning import learn_from
from harness.runner.live_run import LiveTraffic, measuring, plan_of
from harness.runner.manifest import manifest, started_by
from harness.runner.matrix import carrying_over, taken_apart
from harness.runner.observation import Observation
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario
from harness.runner.server_side import watch, with_server_side
from harness.runner.settings import Notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Holds a finished run: its record, its analysis, and the folder of its bundle."""

    record: Record
    analysis: Analysis
    folder: Path

    @property
    def report(self) -> Path:
        """The path of the HTML report."""
        return self.folder / bundle.REPORT


@contextmanager
def open_mesh(config: Config, *, target: str, folder: Path) -> Iterator[Mesh]:
    """Open the mesh called ``target``, with its logs in ``folder``; on exit, stop everything that it started."""
    with ExitStack() as world:
        with bundle.recording(folder):
            mesh_kind(target).reach(config)
            mesh = world.enter_context(wiring.mesh(config, target=target, folder=folder))
        yield mesh


def judge_scenario(
    scenario: Scenario, config: Config, mesh: Mesh, *, folder: Path, again: str, notify: Notify, about: str = ""
) -> Outcome:
    """Run the scenario, record it, decide and write the report; ``folder`` becomes the bundle.

    again: the command that repeats the run. notify: called with events and progress. about: what the scenario is for,
    in a sentence. Raises HarnessError when there is no verdict. A fail is a verdict too, so it is returned.
    """
    facts = _facts(scenario, config, owner=new_run_id(), again=again, about=about)
    record = _recorded(scenario, config, mesh, folder=folder, facts=facts, notify=notify)
    outcome = judge_record(record, folder, record.plan.judge.name)
    _learn(outcome, config, notify)
    tell_others(outcome, config, notify)
    return outcome


def record_matrix(
    scenario: Scenario, config: Config, mesh: Mesh, *, folder: Path, notify: Notify
) -> tuple[Record, ...]:
    """Run the stages of a scenario with a recovery after each, and return a record for each stage.

    folder: of the load generator's logs. The records have no manifest of their own yet (``judge_shared``). Raises as
    ``judge_scenario`` does.
    """
    facts = _facts(scenario, config, owner=new_run_id(), again="", about="")
    record = _recorded(scenario, config, mesh, folder=folder, facts=facts, notify=notify)
    parts = taken_apart(record, len(scenario.in_order))
    return tuple(carrying_over(parts, lambda one: decide(one, wiring.judge(one.plan.judge.name))))


def judge_shared(
    record: Record, scenario: Scenario, config: Config, *, folder: Path, again: str, notify: Notify, about: str = ""
) -> Outcome:
    """Judge the record of one fault of a shared run. scenario: that fault alone."""
    owner = str(record.manifest["run"])
    facts = {**_facts(scenario, config, owner=owner, again=again, about=about), "shared": record.plan.scenario}
    own = replace(record, plan=replace(record.plan, scenario=scenario.name), manifest=facts)
    outcome = judge_record(own, folder, record.plan.judge.name)
    _learn(outcome, config, notify)
    tell_others(outcome, config, notify)
    return outcome


def _recorded(
    scenario: Scenario, config: Config, mesh: Mesh, *, folder: Path, facts: JsonObject, notify: Notify
) -> Record:
    """Run the scenario and return its record, with what the server side measured."""
    check_scenario(scenario, config, target=mesh.target)
    owner = str(facts["run"])
    settings = wiring.settings(config, scenario, target=mesh.target, manifest=facts)
    parts = wiring.parts(config, mesh)
    warning = cannot_decide(plan_run(scenario, settings, target=mesh.target))
    if warning:
        notify(Event(at_s=0.0, kind="note", text=warning))
    for line in mesh.warnings() if isinstance(mesh, Warns) else ():
        notify(Event(at_s=0.0, kind="note", text=line))
    watch(mesh, config, scenario.objectives)
    with (
        live_run(folder, scenario.name, config, target=mesh.target, tell=notify) as live,
        bundle.recording(folder),
    ):
        others = notice_others(folder.parent, live)
        record = run_scenario(scenario, settings, parts, owner=owner, folder=folder, notify=live)
        record = replace(record, events=(*record.events, *others()))
    return with_server_side(record, config, mesh)


def notice_others(run: Path, notify: Notify) -> Callable[[], tuple[Event, ...]]:
    """Tell of the other runs on this machine, and return a function to call at the end, which returns them as an event.

    run: the folder of this run; the others are next to it. Runs that have begun in the meantime are in the event too.
    """
    at_first = others_at_work(run)
    for event in _disturbed(at_first):
        notify(event)
    return lambda: _disturbed({*at_first, *others_at_work(run)})


def _disturbed(others: Collection[str]) -> tuple[Event, ...]:
    if not others:
        return ()
    text = f"this machine measured at the same time: {', '.join(sorted(others))}; such runs slow each other down"
    return (Event(at_s=0.0, kind="note", text=text),)


@contextmanager
def live_run(folder: Path, name: str, config: Config, *, target: str, tell: Notify) -> Iterator[Notify]:
    """Yield what to tell about a run while it lasts; ``live.json`` and those who watch faults learn it too."""

    def note(text: str) -> None:
        tell(Event(at_s=0.0, kind="note", text=text))

    with (
        LiveFile(folder, name, target=target, tell=tell) as live,
        faults_told(config.publish, service=config.service, scenario=name, notify=live, note=note) as told,
    ):
        yield told


def observe_traffic(
    users: LiveTraffic, config: Config, *, target: str, folder: Path, again: str, notify: Notify, about: str = ""
) -> Outcome:
    """Judge what real users do; ``folder`` becomes the bundle. Nothing is sent and nothing is changed.

    Raises UsageError for an objective that the server side does not measure, and MetricsError without a server that
    answers. A fail is a verdict, so it is returned.
    """
    plan = plan_of_users(users, config, target=target)
    facts = manifest(
        owner=new_run_id(), again=again, argv=started_by(), cwd=config.file.parent, started_at=time.time(), about=about
    )
    with (
        LiveFile(folder, users.name, target=target, tell=notify) as live,
        bundle.recording(folder),
        measuring(plan, config, time.time) as measure,
    ):
        observation = Observation(
            plan=plan,
            measure=measure,
            judge=wiring.judge(plan.judge.name),
            every_s=users.every_s,
            now=time.time,
            sleep=time.sleep,
            stop=partial(_killed, config.out / "KILL"),
            notify=live,
        )
        record = observation.record(manifest=facts, config=resolved(config))
    outcome = judge_record(record, folder, plan.judge.name)
    tell_others(outcome, config, notify)
    return outcome


def plan_of_users(users: LiveTraffic, config: Config, *, target: str) -> Plan:
    """Return the plan of an observation. Only the sequential judge may look again and again, so it judges all of them.

    Raises UsageError for an observation that is not possible.
    """
    return plan_of(users, config, replace(wiring.judge_settings(config), name="sequential"), target=target)


def _killed(file: Path) -> str:
    return f"the kill file {file} is there" if file.exists() else ""


def _learn(outcome: Outcome, config: Config, notify: Notify) -> None:
    """Add the noise of a run to the calibration, if the configuration says so."""
    if config.calibration is None or not config.update_calibration:
        return
    trouble = learn_from(outcome.record, config.calibration)
    if trouble:
        notify(Event(at_s=0.0, kind="note", text=trouble))


def tell_others(outcome: Outcome, config: Config, notify: Notify) -> None:
    """Publish a run wherever the configuration says; a place that cannot be reached is a note, and nothing else."""
    for line in publish(outcome.record, outcome.analysis, config.publish):
        notify(Event(at_s=0.0, kind="note", text=line))


def judge_death(
    scenario: Scenario, config: Config, death: WorkloadDeath, *, target: str, folder: Path, again: str, about: str = ""
) -> Outcome:
    """Record and judge a run whose arm died before any load was sent. Raises ``death`` if no arm died."""
    owner = new_run_id()
    facts = _facts(scenario, config, owner=owner, again=again, about=about)
    settings = wiring.settings(config, scenario, target=target, manifest=facts)
    record = record_of_death(plan_run(scenario, settings, target=target), settings, death)
    return judge_record(record, folder, config.judge)


def _facts(scenario: Scenario, config: Config, *, owner: str, again: str, about: str) -> JsonObject:
    """Return the manifest of a scenario's run, with what it is for and what its faults do, in words."""
    facts = manifest(
        owner=owner, again=again, argv=started_by(), cwd=config.file.parent, started_at=time.time(), about=about,
        approve=config.approve,
    )  # fmt: skip
    words = [fault.words() for fault in scenario.faults]
    asked: JsonObject = {
        "load": scenario.load,
        "arrivals": config.load.arrivals,
        "entry": config.entry,
        "faults": [fault_document(fault) for fault in scenario.faults],
        "stages": [len(stage) for stage in scenario.stages],
        "recover_each": scenario.recover_each,
        "phases": {
            "warm-up": format_length(scenario.warm_up_s),
            "steady": format_length(scenario.steady_s),
            "fault": format_length(scenario.fault_s if scenario.faults else 0.0),
            "recovery": format_length(scenario.recovery_s if scenario.faults else 0.0),
        },
    }
    same: JsonObject = {SAME_SETTINGS: True} if config.same_settings else {}
    return {**facts, **same, "effects": {one.text: one.effect for one in words}, "scenario": asked}


def cannot_decide(plan: Plan) -> str:
    """Return a warning if the sequential judge could decide no objective of the plan, otherwise an empty string."""
    if plan.judge.name != "sequential" or can_decide(plan):
        return ""
    return undecidable(visible_effects(plan))


def check_scenario(scenario: Scenario, config: Config, *, target: str) -> None:
    """Raise UsageError for a scenario that cannot be run, before anything is started."""
    for faults in scenario.in_order or ((),):  # a mesh also checks what it starts
        wiring.check_faults(faults, config, target=target)
    settings = wiring.settings(config, scenario, target=target, manifest={})
    plan_run(scenario, settings, target=target)
    require_sent(scenario.objectives, settings.profile)


def judge_record(record: Record, folder: Path, judge_name: str) -> Outcome:
    """Write the record into ``folder``, which becomes the bundle, then decide and report."""
    bundle.write_bundle(with_bodies(record, folder), folder)
    for kind in ("samples", "bodies", "answers"):
        for recording in folder.glob(f"load*/**/*.{kind}"):
            recording.unlink()  # the bundle has everything that is in it now
    return report_on(folder, judge_name)


def report_on(folder: Path, judge_name: str) -> Outcome:
    """Judge a bundle from its record, and write its analysis and its report again."""
    record = bundle.read_bundle(folder)
    analysis = decide(record, wiring.judge(judge_name))
    bundle.write_analysis(analysis, folder)
    return _reported(record, analysis, folder)


def report_again(folder: Path) -> Outcome:
    """Write the report of a bundle again, with the analysis that it has."""
    return _reported(bundle.read_bundle(folder), bundle.read_analysis(folder), folder)


def _reported(record: Record, analysis: Analysis, folder: Path) -> Outcome:
    bundle.write_report(page.render(record, analysis, folder=folder), folder)
    return Outcome(record=record, analysis=analysis, folder=folder)
