"""Make the changes of a run in the mesh, and record what was seen of each: in force, counted, reverted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from harness.faults.port import Fault
from harness.mesh.port import LiveChange, Mesh
from harness.model.declared import Declared
from harness.model.json import JsonScalar
from harness.model.record import FAULTS_LIVE, FaultCount, Rollback
from harness.model.samples import ARMS, Samples
from harness.model.split import SplitBy
from harness.model.step import Step
from harness.runner.counts import Counts, fault_counts, own_shares, service_name
from harness.runner.settings import Settings
from harness.runner.steps import Arrangement, StepMaker
from harness.runner.timeline import Timeline

_LONGEST_TAIL_S = 30.0
"""The most that is waited for calls which an earlier fault on the same host still delays."""


class _Counted(NamedTuple):
    """A fault that was live between two times (epoch seconds), with what the proxies had counted by then."""

    fault: Fault
    declared: Declared
    phase: str
    live: Counts
    before_removal: Counts
    start: float
    end: float


def tail_s(fault: Declared) -> float:
    """Return for how many seconds after its removal a call that the fault hit may still be under way."""
    times = (value for name, value in fault.params.items() if name.endswith("_s") and isinstance(value, (int, float)))
    return max(times, default=0.0)


class Changes:
    """The split and the faults of one run. Each change is a context manager that reverts it and verifies that."""

    def __init__(
        self, mesh: Mesh, settings: Settings, timeline: Timeline, *, owner: str, sleep: Callable[[float], None]
    ) -> None:
        """``owner`` is the run's mark, part of the name of everything that is inserted."""
        self._mesh, self._sleep = mesh, sleep
        self._settled: dict[str, Counts] = {}
        self._settings = settings
        self._timeline = timeline
        self._arrangement = arrangement_of(settings, mesh, owner)
        self._steps = StepMaker(self._arrangement, mesh)
        self._injected = self._faults_live = 0
        self._live: list[LiveChange] = []
        self._counted: list[_Counted] = []
        self.rollbacks: list[Rollback] = []

    def check(self, faults: Sequence[Fault]) -> None:
        """Raise ResourceError, before anything is changed, for a split or faults that cannot be made together."""
        self._steps.everything(faults, self._mesh.resources())

    @contextmanager
    def split(self) -> Iterator[None]:
        """Distribute the requests for the service under test to both arms, and mark the answers, inside the block."""
        edits = self._steps.split(self._mesh.resources())
        what = "copies of {} for the canary" if self._settings.split_by is SplitBy.MIRROR else "{} to the canary"
        with self._changed(
            edits, f"split by {self._settings.split_by}: {what.format(f'{self._settings.canary_share:.0%}')}"
        ):
            yield

    @contextmanager
    def inject(self, fault: Fault, *, phase: str) -> Iterator[None]:
        """Keep the fault in force inside the block, and count what it hits."""
        index = self._injected
        steps = self._steps.fault(fault, self._mesh.resources(), index)
        declared = self._steps.declared(fault, index)
        self._injected += 1
        self._settle(declared)
        with self._changed(steps, declared.text, faults=1):
            live, start = self._mesh.request_counts(), self._timeline.now()
            yield
            end, before_removal = self._timeline.now(), self._mesh.request_counts()
            self._counted.append(_Counted(fault, declared, phase, live, before_removal, start, end))

    def _settle(self, coming: Declared) -> None:
        """Count what earlier faults on the same host have hit, before the calls that ``coming`` hits look the same.

        Calls that still wait because of such a fault are waited for.
        """
        host = service_name(coming.host)
        earlier = [
            one
            for one in self._counted
            if service_name(one.declared.host) == host and one.declared.id not in self._settled
        ]
        if earlier:
            wait_s = max(one.end + tail_s(one.declared) for one in earlier) - self._timeline.now()
            if wait_s > 0:
                self._sleep(min(wait_s, _LONGEST_TAIL_S))
            counts = self._mesh.request_counts()
            self._settled.update((one.declared.id, counts) for one in earlier)

    def fault_counts(self, end: Counts, samples: Samples) -> tuple[FaultCount, ...]:
        """Return what each fault hit.

        end: the counts after the last answer. samples: of the whole run.
        """
        return tuple(
            row
            for counted in self._counted
            for row in fault_counts(
                counted.fault,
                counted.declared,
                phase=counted.phase,
                live=counted.live,
                before_removal=counted.before_removal,
                end=self._settled.get(counted.declared.id, end),
                arms=self.arms_by_version(),
                own_shares=self._own_shares(counted, samples),
            )
        )

    def _own_shares(self, counted: _Counted, samples: Samples) -> dict[str, float] | None:
        """Return the run's part of the requests, if the requests of others are spared: those cannot be hit."""
        if self._arrangement.test_headers is None:
            return None
        start_s, end_s = (at - self._timeline.zero for at in (counted.start, counted.end))
        window = samples.arm[(samples.due_s >= start_s) & (samples.due_s < end_s)]
        sent = {name: int((window == arm).sum()) for arm, name in enumerate(ARMS)}
        service, arms = service_name(self._settings.service), self.arms_by_version()
        return own_shares(sent, counted.live, counted.before_removal, service=service, arms=arms)

    def undo(self) -> None:
        """Revert everything that is in force, the last change first, from any thread."""
        for change in reversed(tuple(self._live)):
            change.undo()

    def arms_by_version(self) -> dict[str, str]:
        """Return the arm of each version label of the service under test."""
        versions = (self._settings.baseline.get("version", ""), self._settings.canary.get("version", ""))
        return dict(zip(versions, ARMS, strict=True))

    @contextmanager
    def _changed(self, steps: Sequence[Step], what: str, *, faults: int = 0) -> Iterator[None]:
        change: LiveChange | None = None
        try:
            with self._mesh.changed(steps, name=what) as change:
                self._live.append(change)
                self._faults_live += faults
                self._timeline.note("fault", f"{what}: live", proof=change.proof, **{FAULTS_LIVE: self._faults_live})
                try:
                    yield
                finally:
                    self._live.remove(change)
                self._timeline.note("rollback", f"{what}: removing")
        finally:  # noted after Ctrl-C and errors too
            if change is not None and change.rollback is not None:
                self._faults_live -= faults if change.rollback.verified else 0
                self._note_rollback(change.rollback, what)

    def _note_rollback(self, rollback: Rollback, what: str) -> None:
        self.rollbacks.append(rollback)
        state = "removed and verified" if rollback.verified else "NOT VERIFIED"
        fields: dict[str, JsonScalar] = {"seconds": round(rollback.seconds, 4), FAULTS_LIVE: self._faults_live}
        self._timeline.note("rollback", f"{what}: {state}", **fields)


def arrangement_of(settings: Settings, mesh: Mesh, owner: str) -> Arrangement:
    """Return who the run is, and whose requests it may change; without real users every request is its own."""
    only_test_traffic = settings.real_users and settings.only_test_traffic
    return Arrangement(
        owner=owner,
        service=settings.service,
        namespace=settings.namespace,
        baseline=settings.baseline,
        canary=settings.canary,
        canary_share=settings.canary_share,
        split_by=settings.split_by,
        gateway=mesh.gateway,
        workload_labels=settings.workload_labels,
        only_test_traffic=only_test_traffic,
        arm_in_baggage=not settings.real_users or only_test_traffic,
    )
