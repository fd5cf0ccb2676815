"""The local mesh: it holds Istio resources and serves them through one real Envoy that acts as every sidecar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from harness.clients.envoy.process import Envoy
from harness.clients.otlp import SpanReceiver
from harness.clients.processes.priority import raise_priorities
from harness.clients.processes.signals import deferred_interrupts
from harness.clients.processes.waits import waits_s
from harness.errors import EnvoyError, EnvoyRejection, HarnessError, MeshBusy, MeshError, RollbackError
from harness.mesh.attribution import attributed
from harness.mesh.local.answer_taps import tapped_bodies
from harness.mesh.local.checks import check_for_local_mesh, require_served
from harness.mesh.local.counting import STATS, endpoint_counts, request_counts, stat_counts
from harness.mesh.local.gateways import Door, LocalEntry, certificate_of, doors, way_in
from harness.mesh.local.hop_counting import PATTERN, hop_totals, merged
from harness.mesh.local.journal import Journal
from harness.mesh.local.kube_services import all_services, with_services
from harness.mesh.local.liveness import require_live
from harness.mesh.local.local_metrics import LocalMetrics
from harness.mesh.local.process_actions import ProcessActions, Services
from harness.mesh.local.rejections import rejections_located
from harness.mesh.local.taking import Taken, taken
from harness.mesh.local.topology import LOAD_GENERATOR, Service, Topology, listener_name
from harness.mesh.local.tracing import FLUSH_S, spans_of
from harness.mesh.local.translation import Translation
from harness.mesh.port import Entry
from harness.model.bodies import DependencyBody
from harness.model.counts import RequestCount
from harness.model.hops import HopTotal
from harness.model.json import JsonObject
from harness.model.record import Rollback
from harness.model.server_side import ServerSide
from harness.model.spans import Span
from harness.model.step import PROCESS, Action, Edit, Step, require_declared
from harness.routing import APIS
from harness.routing.edits import applied_all, key, traces, undone_all
from harness.routing.gateway_api.kinds import SERVICE
from harness.routing.governed import GovernedRouting
from harness.routing.istio.warnings import warnings
from harness.routing.port import MESH, Destination, RoutingApi

_MERGE_S, _MERGE_PAUSE_S = 1.0, 0.05
"""For how long to ask again for histograms that a busy Envoy has not merged yet, and how often."""
_UNDO_PATIENCE_S, _UNDO_PAUSE_S = 40.0, 0.5
"""For how long an undo is tried again while a busy machine keeps Envoy from answering, and how often."""


@dataclass(slots=True, kw_only=True, eq=False)
class LocalChange:
    """A change that is live in the local mesh; ``rollback`` is None until it has been undone.

    before: the resources before the change. below: the changes that were live then.
    trouble: why the undo failed, until the error has been raised; else empty.
    """

    name: str
    steps: tuple[Step, ...]
    before: tuple[JsonObject, ...]
    below: tuple[LocalChange, ...]
    undo: Callable[[], None] = lambda: None
    rollback: Rollback | None = None
    proof: str = "served by every proxy"
    trouble: str = ""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The steps that are edits."""
        return tuple(step for step in self.steps if isinstance(step, Edit))

    @property
    def actions(self) -> tuple[Action, ...]:
        """The steps that are no edit."""
        return tuple(step for step in self.steps if isinstance(step, Action))


class LocalMesh:
    """Implements ``harness.mesh.port.Mesh`` on one machine."""

    target = "local"
    routing: RoutingApi = GovernedRouting(APIS)

    def __init__(
        self,
        envoy: Envoy,
        topology: Topology,
        resources: Sequence[JsonObject],
        journal: Journal,
        *,
        entry: LocalEntry,
        check_services: Callable[[], None],
        metrics: LocalMetrics,
        services: Services | None = None,
        receiver: SpanReceiver | None = None,
        bodies: Path | None = None,
    ) -> None:
        """Call ``start_local_mesh`` instead.

        entry: where load is sent. metrics: of the server side. services: whose processes actions can
        act on. receiver: gets the spans of Envoy. bodies: where Envoy writes bodies of answers.
        """
        self._metrics, self._receiver, self._bodies = metrics, receiver, bodies
        self._envoy, self._topology, self._journal = envoy, topology, journal
        self._resources, self._entry, self._check_services = _kept(resources), entry, check_services
        self._taken, self._translation = taken(resources, topology), Translation(topology, envoy.folder)
        self._ports = envoy.admin.listener_ports()
        # The service under test is behind the gateway only if load reaches it first.
        self.gateway = entry.gateway if entry.is_under_test else MESH
        self._changes: list[LocalChange] = []
        self._unchanged = self._resources
        self._lock = threading.RLock()
        self._acting = ProcessActions(services, topology.namespace)

    @property
    def namespace(self) -> str:
        """The namespace of callers and services, and of resources that do not name one."""
        return self._topology.namespace

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each setting that is valid but is hardly intended."""
        return warnings(self._resources, namespace=self.namespace, notes=self._taken.notes)

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind as they are now: by default the Istio resources; also the processes."""
        if not kind:
            return _kept(with_services(self._resources, self._topology))
        if kind == PROCESS:
            return self._acting.resources()
        known = all_services(self._resources, self._topology) if kind == SERVICE else self._resources
        return tuple(item for item in known if item["kind"] == kind)

    @contextmanager
    def changed(self, steps: Sequence[Step], *, name: str) -> Iterator[LocalChange]:
        """Carry out the steps and prove that they are in force; on exit, revert them and prove that too.

        Raises UsageError for a step that this mesh does not take, MeshError, EnvoyError or ResourceError when the
        steps cannot be carried out; nothing has changed then. Raises RollbackError when they could not be reverted.
        """
        for step in steps:
            require_declared(step)
            if isinstance(step, Action):
                self._acting.require_possible(step)
        change = LocalChange(name=name, steps=tuple(steps), before=self._resources, below=tuple(self._changes))
        change.undo = partial(self._undo, change)
        self._journal.will_make(name, change.steps)
        try:
            try:
                self._make(change)
                yield change
            finally:
                self._leave(change)
        finally:
            # Undoes only if Ctrl-C arrived just before the first call started to defer interrupts.
            self._leave(change)

    def entry(self) -> Entry:
        """Return where to send load for the entry service. Behind a gateway it needs the Host header of users.

        Raises MeshError if the gateway does not lead to the service.
        """
        if self._entry.gateway == MESH:
            return Entry(url=self.url(LOAD_GENERATOR, self._entry.service))
        door, host = way_in(self._entry, self._taken.resources, self.namespace)
        headers = {} if host == "*" else {"Host": host}
        ca_file = certificate_of(door, self._envoy.folder)[0] if door.tls else None
        return Entry(url=self._url(door), headers=headers, ca_file=ca_file)

    def gateways(self) -> dict[str, str]:
        """Return the URL of each port of each gateway, by the gateway's name and port."""
        found = doors(self._taken.resources, self.namespace)
        return {f"{door.gateway}:{door.port}": self._url(door) for door in found}

    def _url(self, door: Door) -> str:
        return f"{'https' if door.tls else 'http'}://127.0.0.1:{self._port(door.name)}"

    def url(self, caller: str, service: str) -> str:
        """Return the URL at which a workload reaches one service; a Host header of its own is kept."""
        return f"http://127.0.0.1:{self._port(listener_name(caller, service))}"

    def outbound(self, caller: str) -> str:
        """Return the URL at which a workload reaches every service; the Host header selects the service."""
        return f"http://127.0.0.1:{self._port(caller)}"

    @property
    def envoy_pid(self) -> int:
        """The process id of the Envoy that acts as every sidecar."""
        return self._envoy.pid

    @property
    def metrics_url(self) -> str:
        """The URL from which Prometheus scrapes the proxies' counters."""
        return f"http://127.0.0.1:{self._envoy.admin.port}/stats/prometheus"

    def request_counts(self) -> tuple[RequestCount, ...]:
        """Return the requests that the proxies have counted since they started."""
        admin = self._envoy.admin
        sent = endpoint_counts(admin.endpoint_requests(), self._topology.services)
        others = stat_counts(admin.stats(STATS), self._topology)
        counted = request_counts(admin.prometheus(r"istio.*(requests|attempts)_total"))
        return (*attributed(counted, self._destinations()), *sent, *others)

    def _destinations(self) -> tuple[Destination, ...]:
        return self.routing.destinations(self.resources(), namespace=self.namespace)

    def hop_totals(self) -> tuple[HopTotal, ...]:
        """Return what each workload has called since the proxies started."""
        path = f"/stats?format=json&histogram_buckets=detailed&filter={quote(PATTERN)}"
        until = time.monotonic() + _MERGE_S
        while True:
            self._envoy.admin.get(path)  # makes Envoy merge the histograms of its threads for the next answer
            totals = hop_totals(self._envoy.admin.get(path), self._destinations())
            if merged(totals) or time.monotonic() > until:
                return totals
            time.sleep(_MERGE_PAUSE_S)

    def spans(self) -> tuple[Span, ...]:
        """Return the spans of the sampled requests since the proxies started; wait until Envoy has sent them."""
        if self._receiver is None:
            return ()
        time.sleep(2 * FLUSH_S)
        return tuple(spans_of(self._receiver.spans()))

    def dependency_bodies(self) -> tuple[DependencyBody, ...]:
        """Return the bodies of answers that were recorded since the proxies started."""
        return () if self._bodies is None else tuple(tapped_bodies(self._bodies))

    def watch_metrics(self) -> None:
        """Start to measure the server side, unless that has been done."""
        self._metrics.watch()

    def server_side(self) -> ServerSide | None:
        """Return where the server-side metrics can be read; None if nothing has been measured."""
        return self._metrics.server_side()

    def cpu_waits_s(self) -> dict[str, float]:
        """Return for how many seconds Envoy (``proxy``) and each workload's process have waited for a CPU."""
        return waits_s({"proxy": self._envoy.pid, **self._acting.pids()})

    def raise_priorities(self) -> None:
        """Let Envoy and the workloads' processes go before others, where the system allows it."""
        raise_priorities((self._envoy.pid, *self._acting.pids().values()))

    def check(self) -> None:
        """Raise an error that explains it if Envoy or a service has died."""
        self._envoy.check()
        self._check_services()

    @property
    def changes_live(self) -> bool:
        """Whether a change of somebody is live."""
        return bool(self._changes)

    def replace(self, resources: Sequence[JsonObject]) -> None:
        """Serve other resources from now on. After an error the previous ones stay live.

        Raises ResourceError or EnvoyError for resources that cannot be served, and MeshBusy while a change is
        live, because its undo would be lost.
        """
        with self._lock:
            if self._changes:
                names = ", ".join(change.name for change in self._changes)
                raise MeshBusy(f"expected no live change while resources are replaced, found: {names}; undo it first")
            self._make_live(resources, check_for_local_mesh(resources, self._topology))

    def serve_from(self, services: Sequence[Service]) -> None:
        """Send requests to these endpoints of the services from now on. After an error the previous ones stay live."""
        with self._lock:
            before = self._topology, self._translation
            self._topology = replace(self._topology, services=tuple(services))
            self._translation = Translation(self._topology, self._envoy.folder)
            try:
                self._make_live(self._resources)
            except BaseException:  # also on Ctrl-C: the next configuration must not contain a half-made change
                self._topology, self._translation = before
                raise

    def _make(self, change: LocalChange) -> None:
        with self._lock:
            wanted = applied_all(change.edits, self._resources, namespace=self.namespace)
            if not self._changes:
                self._unchanged = self._resources
            self._changes.append(change)
            found = check_for_local_mesh(wanted, self._topology)
            require_served(change.edits, wanted, found, namespace=self.namespace)
            self._make_live(wanted, found)
            done = [self._acting.carry_out(action.act) for action in change.actions]
            change.proof = "; ".join([*([change.proof] if change.edits else []), *done])

    def _make_live(self, resources: Sequence[JsonObject], found: Taken | None = None, *, insist: bool = False) -> None:
        """Translate the resources and serve them; defer Ctrl-C for the ten or so milliseconds that this takes."""
        found = found or taken(resources, self._topology)
        snapshot = self._translation.of(found.resources)
        with deferred_interrupts(), rejections_located(resources, self.namespace):
            require_live(self._envoy.update(snapshot, insist=insist), snapshot)
            self._resources, self._taken = _kept(resources), found

    def _leave(self, change: LocalChange) -> None:
        """Undo the change if it is not undone yet. Raises RollbackError, once, if the undo failed."""
        with deferred_interrupts():
            self._undo(change)
            trouble, change.trouble = change.trouble, ""
            if trouble:
                raise RollbackError(trouble)

    def _undo(self, change: LocalChange) -> None:
        """Undo the change, from any thread; a second call waits for the first."""
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
                change.trouble = f"{change.name}: {detail}; end this run, which also stops its proxies and services"

    def _undone(self, change: LocalChange) -> str:
        """Restore resources and proxies; return what is left of the change, or an empty string."""
        if change not in self._changes:
            return ""
        stuck = self._actions_left(change)
        expected = self._expected_without(change)
        wanted = undone_all(change.edits, self._resources, namespace=self.namespace)
        try:
            # Not checked: an undo must happen even if other edits have made the resources invalid meanwhile.
            self._insist_on(wanted)
        except HarnessError as error:
            return f"expected to restore the mesh, but the undo failed: {error}"
        left = [*stuck, *(trace for edit in change.edits for trace in traces(edit, self._find(edit)))]
        if left:
            return f"expected the undo to remove the whole change, but found {'; '.join(left)}"
        if expected is not None and self._resources != expected:
            return "expected the undo to restore the resources, but they differ from those before the change"
        self._resources = self._resources if expected is None else expected
        return ""

    def _insist_on(self, resources: Sequence[JsonObject]) -> None:
        """Serve the resources; on a busy machine Envoy may not answer in time, so try again for a while."""
        until = time.monotonic() + _UNDO_PATIENCE_S
        while True:
            try:
                return self._make_live(resources, insist=True)
            except EnvoyRejection:
                raise
            except EnvoyError:
                self._envoy.check()
                if time.monotonic() > until:
                    raise
                time.sleep(_UNDO_PAUSE_S)

    def _actions_left(self, change: LocalChange) -> list[str]:
        """Revert the actions of a change, the last one first; return what is left of them."""
        left = []
        for action in reversed(change.actions):
            try:
                if action.undo is not None:
                    self._acting.carry_out(action.undo)
                left.append(self._acting.left(action))
            except HarnessError as error:
                left.append(str(error))
        return [text for text in left if text]

    def _expected_without(self, change: LocalChange) -> tuple[JsonObject, ...] | None:
        """Return the resources that undoing ``change`` must leave, or None if later changes are still live."""
        if self._changes == [change]:
            return self._unchanged
        return change.before if self._changes == [*change.below, change] else None

    def _find(self, edit: Edit) -> JsonObject | None:
        return next((item for item in self._resources if key(item, self.namespace) == edit.place), None)

    def _port(self, listener: str) -> int:
        if listener not in self._ports or listener.startswith("gateway~"):
            self._ports = self._envoy.admin.listener_ports()
        if listener not in self._ports:
            known = ", ".join(sorted(self._ports))
            raise MeshError(f"expected a caller and a service that it calls, found {listener!r}; known: {known}")
        return self._ports[listener]


def _kept(resources: Sequence[JsonObject]) -> tuple[JsonObject, ...]:
    """Return a tuple; keep the subclass that knows the file and line of each resource."""
    return resources if isinstance(resources, tuple) else tuple(resources)
