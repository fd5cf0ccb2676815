"""Run a replay on the local mesh, with its stand-ins, and record it like any other run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import gate
from harness.clients.processes.priority import raise_priorities
from harness.config import Config
from harness.errors import CannotReplay, HarnessError, WorkloadDeath
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.mesh.services import ServiceSet
from harness.model.hops import Hop
from harness.model.phase import PhaseKind
from harness.model.record import Event
from harness.model.verdict import Analysis
from harness.replay.answers import leaves_flags
from harness.replay.at_service import require_dose
from harness.replay.staging import OVERHEAD_MS, Stage
from harness.replay.troupe import Troupe, playing
from harness.replay.tuning import Tuning
from harness.runner.counts import service_name
from harness.runner.progress import Progress
from harness.runner.settings import Notify

_PHASE = re.compile(rf"(?:{'|'.join(PhaseKind)})(?: \d+)?")
"""The event that begins a phase; others say that one is decided, or that the load started."""
_TUNED_EVERY = 2
"""How many reports of progress, one a second, are between two corrections of the stand-ins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A replay that ran. notes: what the stand-ins say, such as callers that do not forward the baggage."""

    outcome: gate.Outcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A mesh of a replay that is up. config: with the stand-ins at their addresses."""

    mesh: LocalMesh
    troupe: Troupe
    config: Config


@contextmanager
def standing(stage: Stage, folder: Path) -> Iterator[Standing]:
    """Start the stand-ins, Envoy and the services of a replay; end all of them on exit."""
    logs = folder / "logs"
    with (
        _running(stage, logs) as behind,
        playing(stage.script_with(behind), logs / "stand-ins") as troupe,
    ):
        config = stage.placed(troupe.addresses, logs)
        with start_local_mesh(config, logs) as mesh:
            mesh.raise_priorities()  # a wait for a CPU is none of the recorded run
            yield Standing(mesh=mesh, troupe=troupe, config=config)


@contextmanager
def _running(stage: Stage, logs: Path) -> Iterator[dict[str, str]]:
    """Run the workloads behind stand-ins, and yield their addresses by name."""
    for workload in stage.fronted:
        if stage.config.services[workload.service].calls:
            raise CannotReplay(
                f"{workload.service}: it calls other services, so no stand-in can be put in front of it: add "
                f"--stand-in {workload.service}"
            )
    with ServiceSet(stage.config, stage.fronted, logs / "services") as services:
        services.start(lambda *_: "")
        raise_priorities(process.pid for process in services.processes.values())
        yield {name: f"{host}:{port}" for name, (host, port) in services.endpoints.items()}


def replayed(
    stage: Stage,
    folder: Path,
    *,
    again: str,
    notify: Notify,
    afterwards: Callable[[Played, Standing], None] | None = None,
) -> Played:
    """Repeat the recorded run; ``folder`` becomes its bundle.

    again: the command that repeats the replay. afterwards: called while the mesh is still up. An arm that dies before
    any load was sent is a verdict too.
    """
    played: Played | None = None
    try:
        with standing(stage, folder) as world:
            played = perform(stage, world, folder, again=again, notify=notify)
            if afterwards is not None:
                afterwards(played, world)
            return played
    except WorkloadDeath as death:
        if played is not None:
            raise
        outcome = gate.judge_death(
            stage.scenario, stage.config, death, target="local", folder=folder, again=again, about=_about(stage)
        )
        return Played(outcome=outcome)


def perform(stage: Stage, world: Standing, folder: Path, *, again: str, notify: Notify) -> Played:
    """Run the scenario of a replay on a mesh that is up."""
    outcome = gate.judge_scenario(
        stage.scenario,
        replace(world.config, objectives=stage.scenario.objectives),
        world.mesh,
        folder=folder,
        again=again,
        notify=_Telling(stage, world, notify),
        about=_about(stage),
    )
    _, counts = world.troupe.counts()
    if any(phase.kind is PhaseKind.FAULT for phase in outcome.record.phases):
        require_troubles(stage, counts, outcome.record.hops)
    unknown = sum(count.get("arm unknown", 0) for count in counts.values())
    asked = sum(count.get("requests", 0) for count in counts.values())
    notes = []
    if unknown:
        notes.append(
            f"{unknown:,} of {asked:,} calls to stand-ins carried no arm, because the service does not forward the "
            "baggage header: they got what was recorded of both arms together"
        )
    return Played(outcome=outcome, notes=tuple(notes))


def require_troubles(stage: Stage, counts: Mapping[str, Mapping[str, int]], hops: Sequence[Hop]) -> None:
    """Raise ServiceError unless each fault at a service hit its share of the requests: the proxies cannot count that.

    counts: what each workload was asked, by the stand-ins. hops: of the replay, as the proxies counted them.
    """
    for service, troubles in stage.troubles.items():
        own = [counts.get(one.name, {}) for one in stage.config.services[service].versions.values()]
        counted = sum((Counter(one) for one in own), Counter[str]())
        answered = [hop for hop in hops if service_name(hop.destination) == service and hop.version]
        require_dose(
            service, troubles, counted, calls=sum(hop.calls for hop in answered if hop.phase == PhaseKind.FAULT)
        )


def _about(stage: Stage) -> str:
    return f"The replay of {stage.asked.folder.name}, which was {stage.asked.analysis.verdict}."


class _Telling:
    """Tells the stand-ins which phase begins and how fast to be, and passes every event on."""

    def __init__(self, stage: Stage, world: Standing, notify: Notify) -> None:
        self._stage, self._world, self._notify = stage, world, notify
        faults = [fault.declared("") for fault in stage.scenario.faults]
        spoiled = {service_name(one.host) for one in faults if not leaves_flags(one)}
        self._tuning = Tuning(stage.cast.played, OVERHEAD_MS, spoiled=spoiled)
        self._phase = ""
        self._ticks = 0

    def __call__(self, what: Event | Progress | Analysis) -> None:
        if isinstance(what, Event) and what.kind == "phase" and _PHASE.fullmatch(what.text):
            if self._phase:
                self._tune(self._phase)
            self._phase = what.text
            self._world.troupe.begin(what.text)
        if isinstance(what, Progress):
            self._ticks += 1
            if self._ticks % _TUNED_EVERY == 0:
                self._tune(self._phase)
        self._notify(what)

    def _tune(self, phase: str) -> None:
        try:
            found = self._tuning.tuned(self._world.mesh.hop_totals(), phase)
        except HarnessError as error:
            self._notify(Event(at_s=0.0, kind="note", text=f"the stand-ins were not tuned: {error}"))
            return
        for service, correction in found.items():
            for workload in self._stage.played_workloads(service):
                self._world.troupe.take_off(workload.name, correction)
