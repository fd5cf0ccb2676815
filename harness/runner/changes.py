"""What a run changes in the mesh, and what it has seen of each change: proven live, counted, undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from harness.errors import UsageError
from harness.faults import fault_edits
from harness.mesh.port import LiveChange, Mesh
from harness.model.declared import Declared
from harness.model.fault import Fault
from harness.model.json import Json
from harness.model.record import FaultCount, Rollback
from harness.model.samples import ARMS, Samples
from harness.model.split import SplitBy
from harness.routing.istio.edits import Edit, applied_all, require_declared
from harness.routing.istio.governing import MESH
from harness.routing.istio.routes import traffic_match
from harness.routing.istio.routing import split_edits
from harness.runner.counts import Counts, fault_counts, own_shares, service_name
from harness.runner.settings import Settings
from harness.runner.timeline import Timeline


class _Counted(NamedTuple):
    """A fault that was live between two times (epoch seconds), with what the proxies had counted by then."""

    fault: Declared
    phase: str
    live: Counts
    before_removal: Counts
    start: float
    end: float


class Changes:
    """Splits and faults of one run. Each change is a context manager, undone and verified on leaving."""

    def __init__(self, mesh: Mesh, settings: Settings, timeline: Timeline, *, owner: str) -> None:
        """``owner`` is the run's mark, part of the name of everything that is inserted."""
        self._mesh = mesh
        self._settings = settings
        self._timeline = timeline
        self._owner = owner
        self._injected = 0
        self._live: list[LiveChange] = []
        self._counted: list[_Counted] = []
        self.rollbacks: list[Rollback] = []

    def check(self, faults: Sequence[Fault]) -> None:
        """Raise ResourceError, before anything is changed, for a split or faults that cannot be made together."""
        namespace = self._settings.namespace
        resources = self._mesh.resources()
        resources = applied_all(self._split_edits(resources), resources, namespace=namespace)
        for index, fault in enumerate(faults):
            resources = applied_all(self._fault_edits(fault, resources, index), resources, namespace=namespace)

    @contextmanager
    def split(self) -> Iterator[None]:
        """Requests to the service under test are shared out to both arms, and answers are marked."""
        edits = self._split_edits(self._mesh.resources())
        what = "copies of {} for the canary" if self._settings.split_by is SplitBy.MIRROR else "{} to the canary"
        with self._changed(
            edits, f"split by {self._settings.split_by}: {what.format(f'{self._settings.canary_share:.0%}')}"
        ):
            yield

    @contextmanager
    def inject(self, fault: Fault, *, phase: str) -> Iterator[None]:
        """The fault is live inside, and what it hit is counted."""
        edits = self._fault_edits(fault, self._mesh.resources(), self._injected)
        self._injected += 1
        with self._changed(edits, str(fault)):
            live, start = self._mesh.request_counts(), self._timeline.now()
            yield
            end, before_removal = self._timeline.now(), self._mesh.request_counts()
            self._counted.append(_Counted(require_declared(edits[0]), phase, live, before_removal, start, end))

    def fault_counts(self, end: Counts, samples: Samples) -> tuple[FaultCount, ...]:
        """What each fault hit; ``end`` are the counts after the last answer, ``samples`` those of the whole run."""
        return tuple(
            row
            for counted in self._counted
            for row in fault_counts(
                counted.fault,
                phase=counted.phase,
                live=counted.live,
                before_removal=counted.before_removal,
                end=end,
                arms=self.arms_by_version(),
                own_shares=self._own_shares(counted, samples),
            )
        )

    def _own_shares(self, counted: _Counted, samples: Samples) -> dict[str, float] | None:
        """Only where others are spared is a call that was not hit perhaps none of ours."""
        if self._test_headers() is None:
            return None
        start_s, end_s = (at - self._timeline.zero for at in (counted.start, counted.end))
        window = samples.arm[(samples.due_s >= start_s) & (samples.due_s < end_s)]
        sent = {name: int((window == arm).sum()) for arm, name in enumerate(ARMS)}
        service, arms = service_name(self._settings.service), self.arms_by_version()
        return own_shares(sent, counted.live, counted.before_removal, service=service, arms=arms)

    def undo(self) -> None:
        """Undo everything that is live, the last change first, from any thread."""
        for change in reversed(tuple(self._live)):
            change.undo()

    def arms_by_version(self) -> dict[str, str]:
        """The arm of each version label of the service under test."""
        versions = (self._settings.baseline.get("version", ""), self._settings.canary.get("version", ""))
        return dict(zip(versions, ARMS, strict=True))

    def _split_edits(self, resources: Sequence[Json]) -> tuple[Edit, ...]:
        settings = self._settings
        return split_edits(
            resources,
            host=settings.service,
            namespace=settings.namespace,
            baseline=settings.baseline,
            canary=settings.canary,
            canary_share=settings.canary_share,
            by=settings.split_by,
            owner=self._owner,
            gateway=self._mesh.gateway,
            test_headers=self._test_headers(),
            arm_in_baggage=not settings.real_users or self._test_headers() is not None,
        )

    def _fault_edits(self, fault: Fault, resources: Sequence[Json], index: int) -> tuple[Edit, ...]:
        if not fault.inbound and self._on_itself(fault) and self._mesh.gateway != MESH:
            raise UsageError(
                f"{fault}: load reaches {self._settings.service} through the gateway {self._mesh.gateway}, whose own proxy would "
                "carry the fault out and cannot be asked what it hit: put it into the service's proxies (inbound=True), or on a dependency"
            )
        return fault_edits(
            fault,
            resources,
            namespace=self._settings.namespace,
            caller_labels=self._caller_labels(fault),
            owner=self._owner,
            index=index,
            test_headers=self._test_headers(),
            workload_labels=self._settings.workload_labels.get(service_name(fault.host)),
        )

    @contextmanager
    def _changed(self, edits: Sequence[Edit], what: str) -> Iterator[None]:
        with self._mesh.changed(edits, name=what) as change:
            self._live.append(change)
            self._timeline.note("fault", f"{what}: live", proof=change.proof)
            try:
                yield
            finally:
                self._live.remove(change)
            self._timeline.note("rollback", f"{what}: removing")
        if change.rollback is not None:
            self.rollbacks.append(change.rollback)
            state = "removed and verified" if change.rollback.verified else "NOT VERIFIED"
            self._timeline.note("rollback", f"{what}: {state}", seconds=round(change.rollback.seconds, 4))

    def _test_headers(self) -> dict[str, Json] | None:
        """What tells the run's requests from those of real users, where only the run's are to be touched."""
        if not (self._settings.real_users and self._settings.only_test_traffic):
            return None
        return traffic_match(self._owner)

    def _caller_labels(self, fault: Fault) -> dict[str, str] | None:
        """Whose calls are hit: the named caller's, else the service under test's, else (a fault on itself) everybody's."""
        if fault.caller:
            return {"app": fault.caller}
        return None if self._on_itself(fault) else self._settings.common_labels

    def _on_itself(self, fault: Fault) -> bool:
        return service_name(fault.host) == service_name(self._settings.service)
