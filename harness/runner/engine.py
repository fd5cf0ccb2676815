"""The engine that carries out every run: it splits the traffic, injects faults, sends loads and records.

A declared run (``harness.runner.declared_run``) sends one load through all phases of a scenario. An interactive run
(``harness.runner.interactive_run``) sends any number of loads, and injects faults around them. Every change of the
mesh is a context manager, so that whatever ends a run (an exception, Ctrl-C, an abort condition) reverts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import HarnessError, MeshGuard, NotInForce
from harness.faults import Fault
from harness.load.port import RunningLoad
from harness.mesh.port import CopiesLogs, RecordsBodies
from harness.model.counts import RequestCount
from harness.model.json import JsonObject
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan, Record
from harness.model.samples import ARMS
from harness.model.step import PROCESS
from harness.runner.arm_builds import arm_builds
from harness.runner.arm_pods import ArmPods, all_seen, arm_pods
from harness.runner.changes import Changes
from harness.runner.counts import arm_requests, attributed, endpoint_requests, not_lost, service_name
from harness.runner.ending import Ending
from harness.runner.hop_log import HopLog
from harness.runner.judge_looks import JudgeLooks
from harness.runner.phase_edges import before_faults
from harness.runner.planning import cut_short, plan_load
from harness.runner.sent_load import SentLoad, all_samples, all_windows, combined
from harness.runner.settings import Notify, Parts, Settings
from harness.runner.span_log import spans_of_run
from harness.runner.supervision import OpenPhase, Supervision
from harness.runner.timeline import Timeline

LOAD_CALLER = "loadgenerator"
"""The workload name under which the proxies count the requests of the load generator."""


class Engine:
    """One run, from the split to the record. As a context manager it reverts every change on leaving."""

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        owner: str,
        notify: Notify,
        looks: JudgeLooks | None = None,
    ) -> None:
        """Prepare a run; nothing is changed yet.

        owner: the mark of the run, unique among runs; part of the name of everything that is inserted.
        looks: interim looks of the judge; None when the objectives are not known before the end.
        """
        self._settings, self._parts, self._owner = settings, parts, owner
        self._timeline = Timeline(parts.now, notify)
        self._changes = Changes(parts.mesh, settings, self._timeline, owner=owner, sleep=parts.sleep)
        self._supervision = Supervision(
            settings, parts, self._timeline, undo=self._changes.undo, notify=notify, looks=looks
        )
        self._app = settings.baseline.get("app", settings.service)
        self._hops = HopLog(
            parts.mesh,
            self._timeline,
            service=service_name(settings.service),
            app=self._app,
            arms=self._changes.arms_by_version(),
        )
        self._world = ExitStack()
        self._resources: dict[str, tuple[JsonObject, ...]] = {}
        self._start: tuple[RequestCount, ...] = ()
        self._cut: tuple[RequestCount, ...] = ()
        self._arm_pods: ArmPods = {}
        self._processes: tuple[JsonObject, ...] = ()
        self._is_split = False
        self._loads: list[SentLoad] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.__exit__(kind, error, trace)

    @property
    def loads(self) -> tuple[SentLoad, ...]:
        """The loads sent so far."""
        return tuple(self._loads)

    @property
    def reason(self) -> str:
        """Why the run ended early, or an empty string."""
        return self._supervision.reason

    def ended(self) -> bool:
        """Return whether the run must stop. Raises the error that leaves no verdict."""
        return self._supervision.ended()

    def note(self, text: str) -> None:
        """Note something that happened just now."""
        self._timeline.note("note", text)

    def check(self, stages: Sequence[Sequence[Fault]]) -> None:
        """Raise, before anything is changed, if the mesh is not healthy or would not take the split and the faults.

        stages: the faults that are injected together, one group after the other.
        """
        self._parts.mesh.check()
        for faults in stages or ((),):
            self._changes.check(faults)

    def split(self) -> None:
        """Start to check the abort conditions and distribute the traffic to both arms, unless that has been done."""
        if self._is_split:
            return
        mesh = self._parts.mesh
        if not self._resources:
            self._resources["before"] = mesh.resources()
            self._world.enter_context(self._supervision)
        self._world.enter_context(self._changes.split())
        self._resources["during"] = mesh.resources()
        self._arm_pods = self._pods()
        self._processes = mesh.resources(PROCESS)
        self._start = mesh.request_counts()
        self._is_split = True

    def _pods(self) -> ArmPods:
        return arm_pods(self._parts.mesh.resources("Pod"), self._arms)

    @property
    def _arms(self) -> dict[str, Mapping[str, str]]:
        return dict(zip(ARMS, (self._settings.baseline, self._settings.canary), strict=True))

    @contextmanager
    def inject(self, fault: Fault, *, phase: str) -> Iterator[None]:
        """Keep ``fault`` injected inside the block; nothing is injected once the run has ended early."""
        with ExitStack() as injected:
            if not self.ended():
                self._inject(fault, phase, injected)
            yield

    def _inject(self, fault: Fault, phase: str, injected: ExitStack) -> None:
        try:
            injected.enter_context(self._changes.inject(fault, phase=phase))
        except MeshGuard:  # a limit was reached meanwhile: what was recorded until now can still be judged
            if not self.ended():
                raise
        except NotInForce as error:  # nobody knows what the canary would have done: no verdict can rely on it
            self._supervision.end(Ending(kind="proof", text=f"{fault.words().text}: {error}"))
        else:
            self._resources["during"] = self._parts.mesh.resources()

    def send(self, plan: Plan, *, folder: Path, stages: Sequence[Sequence[Fault]] = ()) -> None:
        """Send one load through the phases of ``plan``, with the faults of one stage injected in each fault phase.

        folder: where the load generator writes. The load ends early when an abort condition ends the run.
        """
        load_plan = plan_load(plan, self._settings, self._parts.mesh.entry(), owner=self._owner)
        self._timeline.announce("waiting for the load generator to start")
        with self._parts.load.start(load_plan, folder) as running:
            if not self._loads:
                self._timeline.zero = running.started_at
            self._timeline.note("phase", "load started", rate_rps=plan.rate_rps)
            with self._supervision.sending(running):
                windows = self._carry_out(plan, stages, running)
            if self.reason:
                self._count_now()
            report, samples = running.finish(), running.samples()
        carried_out = cut_short(plan, windows) if self.reason else plan
        self._loads.append(
            SentLoad(
                samples=samples,
                report=report,
                planned=carried_out.phases,
                windows=windows,
                shift_s=running.started_at - self._timeline.zero,
            )
        )

    def _carry_out(self, plan: Plan, stages: Sequence[Sequence[Fault]], running: RunningLoad) -> tuple[Phase, ...]:
        windows: list[Phase] = []
        to_inject = iter(stages)
        until_s = 0.0
        for phase in plan.phases:
            until_s += phase.duration_s
            self._timeline.note("phase", phase.name)
            with ExitStack() as injected:
                for fault in next(to_inject, ()) if phase.kind is PhaseKind.FAULT else ():
                    injected.enter_context(self.inject(fault, phase=phase.name))
                begun = OpenPhase(
                    plan=phase,
                    start_s=self._elapsed(running),
                    until_s=until_s,
                    total_s=plan.duration_s,
                    earlier=tuple(windows),
                )
                with self._hops.during(phase.name, judged=phase.kind.judged):
                    self._supervision.wait(running, begun)
                ended_s = self._elapsed(running)
                windows.append(begun.window(ended_s))
            if phase.least_s is not None and ended_s < until_s and not self.reason:
                until_s = ended_s  # the next phase has its own length
                self._timeline.note("phase", f"{phase.name} decided", seconds=round(ended_s - begun.start_s, 1))
            if self.reason:
                break
        return tuple(windows)

    def _count_now(self) -> None:
        """Count before the guard thread can revert the split, which it may do while the last answers are awaited."""
        try:
            self._cut = self._parts.mesh.request_counts()
        except HarnessError as error:
            self._timeline.note("note", f"requests were not counted when the run ended: {error}")

    def _copy_logs(self) -> None:
        """Copy the canary's log where it lies elsewhere. A run without one is judged all the same."""
        if not isinstance(self._parts.mesh, CopiesLogs):
            return
        try:
            self._parts.mesh.copy_logs()
        except (HarnessError, OSError) as error:  # also when the disk is full
            self._timeline.note("note", f"the log of the canary was not copied: {error}")

    def _note_unrecorded_bodies(self) -> None:
        """Say of which services no bodies are recorded although the configuration asks for them."""
        settings = self._settings
        names = [name for name in settings.recorded_bytes if name != settings.entry or not settings.real_users]
        if names and not isinstance(self._parts.mesh, RecordsBodies):
            text = f"no bodies of {', '.join(names)} were recorded: the proxies of this mesh keep none"
            self._timeline.note("note", f"{text}, so a stand-in answers with empty JSON of the recorded size")

    def _elapsed(self, running: RunningLoad) -> float:
        return self._parts.now() - running.started_at

    def finish(self, plan: Plan) -> Record:
        """Revert every change and return the record of the whole run, with the phases that were carried out."""
        mesh, changes = self._parts.mesh, self._changes
        end, samples = not_lost(self._cut, mesh.request_counts()), all_samples(self._loads)
        pods = all_seen(self._arm_pods, self._pods())
        proxy_requests = arm_requests(
            self._start, end, service=self._settings.service, caller=LOAD_CALLER, arms=changes.arms_by_version()
        )
        self._world.close()
        self._copy_logs()
        self._note_unrecorded_bodies()
        return Record(
            plan=replace(plan, phases=tuple(phase for load in self._loads for phase in load.planned)),
            phases=before_faults(all_windows(self._loads), samples),
            samples=attributed(samples, proxy_requests),
            load=combined([load.report for load in self._loads]),
            events=self._timeline.events(),
            fault_counts=changes.fault_counts(end, samples),
            rollbacks=tuple(changes.rollbacks),
            proxy_requests=proxy_requests,
            endpoint_requests=endpoint_requests(
                self._start, end, service=self._settings.service, arms=changes.arms_by_version()
            ),
            arm_pods=pods,
            resources={**self._resources, "after": mesh.resources()},
            manifest={**self._settings.manifest, "arms": arm_builds(self._processes, pods, self._arms)},
            config=self._settings.config,
            aborted=self.reason,
            hops=self._hops.hops(),
            dependency_bodies=mesh.dependency_bodies() if isinstance(mesh, RecordsBodies) else (),
            spans=spans_of_run(mesh, self._loads, app=self._app, arms=changes.arms_by_version()),
        )
