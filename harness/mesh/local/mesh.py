"""The local mesh: Istio resources held here, translated to a real Envoy that stands for every sidecar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from harness.clients.envoy.process import Envoy
from harness.clients.processes.signals import deferred_interrupts
from harness.errors import HarnessError, MeshError, RollbackError
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.counting import request_counts
from harness.mesh.local.journal import Journal
from harness.mesh.local.liveness import require_live
from harness.mesh.local.refusals import refusals_placed
from harness.mesh.local.topology import LOAD_GENERATOR, Topology, table_name
from harness.mesh.local.translation import translated
from harness.mesh.port import Entry, RequestCount
from harness.model.json import Json
from harness.model.record import Rollback
from harness.routing.istio.edits import Edit, applied_all, key, require_declared, traces, undone_all
from harness.routing.istio.warnings import warnings


@dataclass(slots=True, kw_only=True, eq=False)
class LocalChange:
    """A change that is live in the local mesh; ``rollback`` is None until it has been undone.

    before: the resources without it, and ``below`` the changes that were live then. trouble: of the undo, until it has been raised.
    """

    name: str
    edits: tuple[Edit, ...]
    before: tuple[Json, ...]
    below: tuple[LocalChange, ...]
    undo: Callable[[], None] = lambda: None
    rollback: Rollback | None = None
    proof: str = "served by every proxy"
    trouble: str = ""


class LocalMesh:
    """Implements ``harness.mesh.port.Mesh`` on one machine."""

    target = "local"
    gateway = "mesh"

    def __init__(
        self,
        envoy: Envoy,
        topology: Topology,
        resources: Sequence[Json],
        journal: Journal,
        *,
        entry: str,
        check_services: Callable[[], None],
    ) -> None:
        """Use ``start_local_mesh``. ``entry``: the service that load is sent to."""
        self._envoy, self._topology, self._journal = envoy, topology, journal
        self._resources, self._entry, self._check_services = _kept(resources), entry, check_services
        self._ports = envoy.admin.listener_ports()
        self._changes: list[LocalChange] = []
        self._unchanged = self._resources
        self._lock = threading.RLock()

    @property
    def namespace(self) -> str:
        """Of the callers and services, and of resources that name none."""
        return self._topology.namespace

    def warnings(self) -> tuple[str, ...]:
        """What is valid in the resources but surely not meant, a line each."""
        return warnings(self._resources, namespace=self.namespace)

    def resources(self) -> tuple[Json, ...]:
        """The Istio resources as they are now."""
        return self._resources

    @contextmanager
    def changed(self, edits: Sequence[Edit], *, name: str) -> Iterator[LocalChange]:
        """Make the edits and prove them live; undo them on leaving, and prove that too.

        Raises MeshError, EnvoyError or ResourceError when the edits are not taken; then nothing is
        changed. Raises RollbackError when the mesh could not be put back.
        """
        for edit in edits:
            require_declared(edit)
        change = LocalChange(name=name, edits=tuple(edits), before=self._resources, below=tuple(self._changes))
        change.undo = partial(self._undo, change)
        self._journal.will_make(name, change.edits)
        try:
            try:
                self._make(change)
                yield change
            finally:
                self._leave(change)
        finally:
            # Reached with the undo still to do only when Ctrl-C came in the instant before it was kept waiting.
            self._leave(change)

    def entry(self) -> Entry:
        """Where load for the entry service goes: no Host needed."""
        return Entry(url=self.url(LOAD_GENERATOR, self._entry))

    def url(self, caller: str, service: str) -> str:
        """The URL at which a workload reaches a service, whatever the Host."""
        return f"http://127.0.0.1:{self._port(table_name(caller, service))}"

    def outbound(self, caller: str) -> str:
        """The URL at which a workload reaches every service, chosen by the Host header."""
        return f"http://127.0.0.1:{self._port(caller)}"

    @property
    def envoy_pid(self) -> int:
        """The process that stands for every sidecar."""
        return self._envoy.pid

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads the proxies' counters."""
        return f"http://127.0.0.1:{self._envoy.admin.port}/stats/prometheus"

    def request_counts(self) -> tuple[RequestCount, ...]:
        """What the proxies have counted since they started."""
        return request_counts(self._envoy.admin.prometheus(r"istio.*requests_total"))

    def check(self) -> None:
        """Raise the error that explains it when Envoy or a service has died."""
        self._envoy.check()
        self._check_services()

    def replace(self, resources: Sequence[Json]) -> None:
        """Serve other resources from now on. On an error the ones before stay live.

        Raises ResourceError, EnvoyError; MeshError while a change is live, which would be lost.
        """
        if self._changes:
            names = ", ".join(change.name for change in self._changes)
            raise MeshError(f"expected no live change while resources are replaced, found: {names}; leave it first")
        self._serve(resources)

    def _make(self, change: LocalChange) -> None:
        with self._lock:
            wanted = applied_all(change.edits, self._resources, namespace=self.namespace)
            if not self._changes:
                self._unchanged = self._resources
            self._changes.append(change)
            self._serve(wanted)

    def _serve(self, resources: Sequence[Json]) -> None:
        check_for_local_mesh(resources, self._topology)
        self._make_live(resources)

    def _make_live(self, resources: Sequence[Json]) -> None:
        """Translate and serve; Ctrl-C waits for the some ten milliseconds that this takes."""
        snapshot = translated(resources, self._topology)
        with deferred_interrupts(), refusals_placed(resources, self.namespace):
            self._envoy.update(snapshot)
            require_live(self._envoy, snapshot)
            self._resources = _kept(resources)

    def _leave(self, change: LocalChange) -> None:
        """Undo what has not been undone. Raises RollbackError, once, when that did not do."""
        with deferred_interrupts():
            self._undo(change)
            trouble, change.trouble = change.trouble, ""
            if trouble:
                raise RollbackError(trouble)

    def _undo(self, change: LocalChange) -> None:
        """From any thread; the second one waits for the first."""
        with self._lock:
            if change.rollback is not None:
                return
            started = time.monotonic()
            detail = self._undone(change)
            seconds = time.monotonic() - started
            change.rollback = Rollback(change=change.name, verified=not detail, seconds=seconds, detail=detail)
            if change in self._changes:
                self._changes.remove(change)
            self._journal.was_undone(change.name, verified=not detail)
            if detail:
                change.trouble = f"{change.name}: {detail}; end this run, its proxies and all they serve end with it"

    def _undone(self, change: LocalChange) -> str:
        """Put resources and proxies back; what was found left behind, or nothing."""
        if change not in self._changes:
            return ""
        expected = self._expected_without(change)
        wanted = undone_all(change.edits, self._resources, namespace=self.namespace)
        try:
            # Unchecked: an undo is made whatever others have made of the resources meanwhile.
            self._make_live(wanted)
        except HarnessError as error:
            return f"expected the mesh to be as before, it could not be put back: {error}"
        left = [trace for edit in change.edits for trace in traces(edit, self._find(edit))]
        if left:
            return f"expected nothing of the change to be left, found {'; '.join(left)}"
        if expected is not None and self._resources != expected:
            return "expected the resources to be as before the change, found them different"
        self._resources = self._resources if expected is None else expected
        return ""

    def _expected_without(self, change: LocalChange) -> tuple[Json, ...] | None:
        """The resources when ``change`` is undone; None where changes made after it stay."""
        if self._changes == [change]:
            return self._unchanged
        return change.before if self._changes == [*change.below, change] else None

    def _find(self, edit: Edit) -> Json | None:
        place = (edit.kind, edit.namespace, edit.name)
        return next((item for item in self._resources if key(item, self.namespace) == place), None)

    def _port(self, listener: str) -> int:
        if listener not in self._ports:
            known = ", ".join(sorted(self._ports))
            raise MeshError(f"expected a caller and a service that it calls, found {listener!r}; known: {known}")
        return self._ports[listener]


def _kept(resources: Sequence[Json]) -> tuple[Json, ...]:
    """As a tuple; resources that know where they were read keep knowing it."""
    return resources if isinstance(resources, tuple) else tuple(resources)
