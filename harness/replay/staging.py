"""Prepare a replay: the recorded run as a scenario and a configuration for the local mesh."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from harness.config import Config
from harness.errors import CannotReplay, HarnessError
from harness.faults.elsewhere import LOCAL, why_not_on
from harness.mesh.targets import mesh_kind
from harness.model.config import Service, Workload
from harness.model.json import JsonObject, texts_at
from harness.model.objective import Objective
from harness.model.phase import PhaseKind, PhaseLength, least_of
from harness.model.stand_in import Body
from harness.model.verdict import Verdict
from harness.replay.asked import Asked
from harness.replay.casting import Cast, cast_of, judgeable
from harness.replay.comparing import failed
from harness.replay.empty_bodies import empty_bodies
from harness.replay.environments import other_env
from harness.replay.routes import for_local_mesh
from harness.replay.script import Script, StandIn, Trouble
from harness.runner.scenario import Scenario

OVERHEAD_MS = 0.4
"""What Envoy and the stand-in add to an answer on loopback."""
_SHORT_WARM_UP_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person asks of a replay.

    canary_command, baseline_command: instead of those in harness.yaml. stand_ins: services to play although they could
    run. baseline_played: whether a stand-in plays the baseline. only_fault: without steady phase and recovery.
    """

    canary_command: str | None = None
    baseline_command: str | None = None
    stand_ins: tuple[str, ...] = ()
    baseline_played: bool = False
    only_fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A replay that can begin.

    resources: Istio's, to serve. cannot: objectives that cannot be judged here, each with its reason. notes: what
    the record does not tell or this mesh does not have. differs: what differs from the recorded run, as sentences.
    troubles: faults that happen at the called service, by its name.
    """

    asked: Asked
    scenario: Scenario
    config: Config
    cast: Cast
    resources: tuple[JsonObject, ...]
    cannot: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    troubles: Mapping[str, tuple[Trouble, ...]] = field(default_factory=dict)

    @property
    def fronted(self) -> tuple[Workload, ...]:
        """Workloads that run here, with a stand-in in front of them that makes trouble."""
        return tuple(one for one in self.cast.real if one.service in self.troubles)

    @property
    def script(self) -> Script:
        """What the stand-ins play."""
        return self.script_with({})

    def script_with(self, forwards: Mapping[str, str]) -> Script:
        """Return what the stand-ins play. forwards: the address of each workload that has one in front of it."""
        fronts = tuple(
            StandIn(
                name=name,
                health=self.config.services[one.service].health,
                troubles=self.troubles[one.service],
                forward=forwards[name],
            )
            for one in self.fronted
            if (name := one.name) in forwards
        )
        stand_ins = fronts + tuple(
            StandIn(
                name=workload.name,
                health=self.config.services[name].health,
                answers=recorded.answers,
                bodies=tuple(self.config.stand_ins.get(name, ())),
                recorded=self.recorded_bodies(name),
                troubles=self.troubles.get(name, ()),
            )
            for name, recorded in self.cast.played.items()
            for workload in self.played_workloads(name)
        )
        return Script(seed=self.scenario.seed, stand_ins=stand_ins, overhead_ms=OVERHEAD_MS)

    def recorded_bodies(self, service: str) -> tuple[Body, ...]:
        """Return the bodies of a service's answers in the record."""
        return tuple(
            Body(path=one.path, text=one.text, content_type=one.content_type, method=one.method, status=one.status)
            for one in self.asked.record.dependency_bodies
            if one.service == service
        )

    def played_workloads(self, service: str) -> Sequence[Workload]:
        """Return what stand-ins play of a service."""
        versions = self.config.services[service].versions
        return [versions[self.config.baseline]] if service == self.config.service else list(versions.values())

    def placed(self, addresses: Mapping[str, str], folder: Path) -> Config:
        """Return the configuration with the stand-ins at their addresses and the resources as a file in ``folder``."""
        file = folder / "routes.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(list(self.resources), sort_keys=False))
        return replace(self.config, services=_placed_services(self, addresses), istio=(file,))


def _placed_services(stage: Stage, addresses: Mapping[str, str]) -> dict[str, Service]:
    """Return the services with the stand-ins at their addresses; a stand-in calls nobody."""
    placed = {}
    for name, service in stage.config.services.items():
        versions = {
            version: replace(one, command=None, address=addresses[one.name]) if one.name in addresses else one
            for version, one in service.versions.items()
        }
        alone = name in stage.cast.played and name != stage.config.service
        placed[name] = replace(service, versions=versions, calls={} if alone else service.calls)
    return placed


def staged(asked: Asked, config: Config, options: Options) -> Stage:
    """Return the replay of a recorded run. Raises CannotReplay for what is missing here."""
    config = _with_arms(asked, _with_recorded_settings(asked, config), options)
    cast = cast_of(asked, config, stand_ins=options.stand_ins, baseline_played=options.baseline_played)
    from_cluster = asked.record.plan.target != "local"
    objectives, cannot = judgeable(
        asked.record.plan.objectives, baseline_played=cast.baseline_played, from_cluster=from_cluster
    )
    if not objectives:
        raise CannotReplay(f"no objective of the run can be judged here: {'; '.join(cannot)}")
    resources, left_out = for_local_mesh(
        asked.record.resources["before"], namespace=config.namespace, services=config.services
    )
    stage = Stage(
        asked=asked,
        scenario=_scenario(asked, objectives, options),
        config=config,
        cast=cast,
        resources=resources,
        cannot=(*cannot, *(_failed_elsewhere(asked) if options.only_fault else ())),
        notes=(*asked.notes, *left_out, *(note for one in cast.played.values() for note in one.notes)),
    )
    known = {name for name in cast.played if config.stand_ins.get(name) or stage.recorded_bodies(name)}
    bodies = empty_bodies(cast.played.values(), known=known, from_cluster=from_cluster)
    stage = replace(stage, differs=(*bodies, *other_env(config, asked.record)))
    _require_possible(stage)
    return stage


def _failed_elsewhere(asked: Asked) -> Iterator[str]:
    """Yield the failures of the run of which a replay of the fault phase alone shows nothing."""
    failed = [one for one in asked.analysis.findings if one.verdict is Verdict.FAIL and not one.objective.muted]
    shown = {one.objective.text for one in failed if one.phase.startswith(PhaseKind.FAULT)}
    for one in failed:
        if one.objective.text not in shown:
            yield f"{one.objective.text}: it failed in the {one.phase} phase, which --only fault leaves out"


def _with_recorded_settings(asked: Asked, config: Config) -> Config:
    """Return the configuration of this machine with what decides about the recorded run: split, judge, namespace."""
    plan = asked.record.plan
    known = ", ".join(config.services)
    for what, name in (("service under test", plan.service), ("entry", asked.entry)):
        if name not in config.services:
            raise CannotReplay(f"the {what} of the run is {name}, which {config.file} does not know; it knows: {known}")
    return replace(
        config,
        service=plan.service,
        entry=asked.entry,
        namespace=str(asked.record.config.get("namespace") or config.namespace),
        canary_share=plan.canary_share,
        split_by=plan.split_by,
        load=replace(config.load, profile=asked.load, rate_rps=plan.rate_rps, arrivals=asked.arrivals),
        objectives=plan.objectives,
        judge=plan.judge.name,
        alpha=plan.judge.alpha,
        pass_score=plan.judge.pass_score,
        marginal_score=plan.judge.marginal_score,
        baseline_error_ceiling=plan.judge.baseline_error_ceiling,
        calibration=None,
        target="local",
        prometheus=None if plan.target != "local" else config.prometheus,
        gauges=() if plan.target != "local" else config.gauges,
    )


def _with_arms(asked: Asked, config: Config, options: Options) -> Config:
    """Return the configuration with the arms: builds of this machine under the labels of the recorded ones."""
    service = config.services[config.service]
    versions = dict(service.versions)
    for arm, own_name, command in (
        (asked.baseline, config.baseline, options.baseline_command),
        (asked.canary, config.canary, options.canary_command),
    ):
        labels = texts_at(dict(asked.record.config), "services", service.name, "versions", arm, "labels")
        here = versions.get(arm) or versions.get(own_name)
        own = here or Workload(service=service.name, version=arm, labels=labels)
        if command is not None:
            own = replace(own, command=_words(command, config), address=None)
        versions[arm] = replace(own, version=arm, labels=labels or own.labels)
    services = {**config.services, service.name: replace(service, versions=versions)}
    return replace(config, baseline=asked.baseline, canary=asked.canary, services=services)


def _words(command: str, config: Config) -> tuple[str, ...]:
    known = {"{python}": sys.executable, "{root}": str(config.root)}
    words = shlex.split(command)
    for name, value in known.items():
        words = [word.replace(name, value) for word in words]
    return tuple(words)


def _scenario(asked: Asked, objectives: tuple[Objective, ...], options: Options) -> Scenario:
    plan, lengths = asked.record.plan, asked.lengths_s
    scenario = Scenario(
        name=f"replay of {plan.scenario}",
        load=asked.load,
        rate_rps=plan.rate_rps,
        faults=asked.faults,
        stages=asked.stages,
        recover_each=asked.recover_each,
        warm_up_s=lengths["warm-up"],
        steady_s=lengths["steady"],
        fault_s=lengths["fault"],
        recovery_s=lengths["recovery"],
        objectives=objectives,
        seed=plan.seed,
    )
    if options.only_fault and not asked.faults:
        raise CannotReplay("--only fault: expected a run with a fault, found one without")
    return _only_fault(scenario) if options.only_fault else scenario


def shortened(stage: Stage) -> Stage:
    """Return the replay without steady phase and recovery."""
    return replace(stage, scenario=_only_fault(stage.scenario))


def by_what_failed(stage: Stage) -> Stage:
    """Return the replay judged by what failed in the record alone: another failure could end it before that."""
    names = failed(stage.asked.analysis)
    kept = tuple(one for one in stage.scenario.objectives if one.text in names)
    return replace(stage, scenario=replace(stage.scenario, objectives=kept)) if kept else stage


def longer(stage: Stage) -> Stage:
    """Return the replay with judged phases that may last twice as long.

    A phase that was so short that the judge only watched it keeps its length: twice as long, it would have to show
    every objective by itself.
    """
    asked = stage.scenario
    watched = {one.phase for one in stage.asked.analysis.findings if one.watched}
    lengths = {PhaseKind.STEADY: asked.steady_s, PhaseKind.FAULT: asked.fault_s, PhaseKind.RECOVERY: asked.recovery_s}
    steady_s, fault_s, recovery_s = (
        seconds if any(name.startswith(kind) for name in watched) else _twice(seconds)
        for kind, seconds in lengths.items()
    )
    return replace(stage, scenario=replace(asked, steady_s=steady_s, fault_s=fault_s, recovery_s=recovery_s))


def _twice(seconds: float) -> float:
    return PhaseLength(2 * seconds, least_s=least_of(seconds) or seconds) if seconds else 0.0


def _only_fault(scenario: Scenario) -> Scenario:
    return replace(
        scenario,
        warm_up_s=min(scenario.warm_up_s, _SHORT_WARM_UP_S),
        steady_s=0.0,
        recovery_s=0.0,
        objectives=tuple(one for one in scenario.objectives if one.labels.get("phase", "fault") == "fault"),
    )


def _require_possible(stage: Stage) -> None:
    """Raise CannotReplay for a fault that the local mesh cannot make, with what comes closest."""
    anywhere = {one.name: "127.0.0.1:9" for one in stage.script.stand_ins}
    for fault in stage.scenario.faults:
        if why := why_not_on(LOCAL, fault):
            raise CannotReplay(f"{fault.words().text}: {why}")
        declared = fault.declared("")
        try:
            mesh_kind(LOCAL).check([declared], replace(stage.config, services=_placed_services(stage, anywhere)))
        except HarnessError as error:
            closest = _closest(declared.scope.side)
            raise CannotReplay(f"{fault.words().text}: the local mesh cannot inject it: {error}{closest}") from error


def _closest(side: str) -> str:
    if side == "host":
        return "; the same fault without inbound comes closest: it hits the calls in the caller's proxy"
    return ""
