"""The cluster mesh: it sends edits to the Kubernetes API, proves them in the sidecars and always reverts them.

The order makes it safe. First it checks limits and sends dry runs, then it writes the journal (to disk, then to the
cluster), starts the heartbeat, makes the edits and proves them. An undo proves that the edits are gone before it closes
the journal. If this process dies, the watchdog, the reaper or ``harness restore`` reverts the change from the journal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes, Written
from harness.clients.kubernetes.retry import retry
from harness.clients.kubernetes.types import as_pod
from harness.clients.processes.signals import deferred_interrupts
from harness.errors import ClusterError, HarnessError, MeshError, MeshGuard, RollbackError, UsageError
from harness.mesh.cluster.acting import carry_out, require_done, require_kept, rights_for_action
from harness.mesh.cluster.arm_logs import copy_arm_log
from harness.mesh.cluster.events import note_on, note_restored
from harness.mesh.cluster.hop_counting import PATH as HOPS
from harness.mesh.cluster.hop_counting import HopCounter
from harness.mesh.cluster.proof.proxies import LOAD_WORKLOAD, Proxies
from harness.mesh.cluster.proving import Proofs, entry_of
from harness.mesh.cluster.recovery.heartbeat import Heartbeat
from harness.mesh.cluster.recovery.journal import Journal, JournalEntry, journalled
from harness.mesh.cluster.recovery.locks import Locks
from harness.mesh.cluster.recovery.rollback import by_hand, undo
from harness.mesh.cluster.recovery.watchdog import Watchdog
from harness.mesh.cluster.resources import all_applied, plain_resources
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.arm_health import ArmHealth
from harness.mesh.cluster.safety.credentials import require_lasting
from harness.mesh.cluster.safety.disruptions import require_allowed
from harness.mesh.cluster.safety.drift import Drift
from harness.mesh.cluster.safety.ownership import require_unowned
from harness.mesh.cluster.safety.resizes import require_resizable
from harness.mesh.cluster.safety.restarts import Restarts
from harness.mesh.cluster.safety.rights import Right, require_rights, rights_for
from harness.mesh.cluster.safety.rollouts import require_settled
from harness.mesh.cluster.safety.targets import require_targets
from harness.mesh.port import Entry
from harness.model.cluster import ClusterSettings
from harness.model.counts import RequestCount
from harness.model.hops import HopTotal
from harness.model.json import JsonObject
from harness.model.record import Rollback
from harness.model.step import PROCESS, Action, Edit, Step
from harness.routing.edits import applied
from harness.routing.port import RoutingApi


@dataclass(slots=True, kw_only=True, eq=False)
class ClusterChange:
    """A change that is live in the cluster; ``rollback`` is None until it has been reverted.

    trouble: what went wrong in the undo, until it has been raised. lock: held during the undo.
    """

    change: JournalEntry
    undo: Callable[[], None] = lambda: None
    rollback: Rollback | None = None
    proof: str = ""
    trouble: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class ClusterMesh:
    """Implements ``harness.mesh.port.Mesh`` on a namespace of a cluster."""

    target = "cluster"

    def __init__(
        self,
        kube: Kubernetes,
        routing: RoutingApi,
        *,
        namespace: str,
        settings: ClusterSettings,
        journal_file: Path | None,
        made_by: str,
        tell: Callable[[str], None],
        watchdog: Watchdog | None = None,
    ) -> None:
        """Call ``open_cluster_mesh`` instead.

        routing: the API that routes requests. made_by: user and host, for the journal. tell: receives messages about
        slow steps. watchdog: reverts everything if this process dies.
        """
        self._kube, self._namespace, self._settings, self._watchdog = kube, namespace, settings, watchdog
        self._made_by, self._tell = made_by, tell
        self.routing = routing
        self._journal = Journal(kube, namespace=namespace, file=journal_file)
        self._proxies = Proxies(kube, namespace, settings, routing)
        self._proofs = Proofs(kube, namespace, settings, self._proxies)
        self._hops = HopCounter(settings.load_workload, LOAD_WORKLOAD)
        self.gateway = settings.gateway
        self._locks = Locks(kube, namespace)
        self._drift, self._writing = Drift(kube.commands), threading.RLock()
        self._restarts = Restarts(kube.commands, namespace, ceiling=settings.limits.restarts)
        self._arm_health = ArmHealth(kube, namespace, ())
        self._beats: dict[str, Heartbeat] = {}
        self._live: list[ClusterChange] = []
        self._acted: list[Action] = []
        self._granted: set[Right] = set()
        self._over: set[str] = set()
        self._number = 0
        self._log: Callable[[], None] | None = None

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind in the namespace; by default those that route requests, without bookkeeping."""
        if kind:
            absent = kind == PROCESS or (kind == "Pod" and self._settings.proxies)  # those proxies are of no pods
            return () if absent else self._kube.list(kind, self._namespace)
        return plain_resources(self._kube, self._namespace, self.routing.kinds)

    @contextmanager
    def changed(self, steps: Sequence[Step], *, name: str) -> Iterator[ClusterChange]:
        """Carry out the steps and prove them in every sidecar that they concern; on exit, revert and prove that.

        Raises UsageError beyond the limits; ClusterError if the API server rejects a step, if possible before anything
        is changed, because dry runs are sent first; MeshError if the steps are not in force in time; and RollbackError,
        with the commands that revert what is left, if the undo fails.
        """
        live = self._planned(steps, name)
        live.undo = partial(self._end, live)
        try:
            try:
                self._make(live)
                yield live
            finally:
                self._leave(live)
        finally:
            # The undo is still to do here only if Ctrl-C came in the instant before interrupts were deferred.
            self._leave(live)

    def entry(self) -> Entry:
        """Return where load is sent: ``cluster.url``. Raises UsageError if it is not set."""
        return entry_of(self._settings)

    def request_counts(self) -> tuple[RequestCount, ...]:
        """Return what the sidecars have counted since they started."""
        return self._proxies.request_counts(self._live_steps())

    def hop_totals(self) -> tuple[HopTotal, ...]:
        """Return what the sidecars have counted of each hop. Raises MeshError if they show no metrics of Istio."""
        return self._hops.read(self._proxies.pages(HOPS))

    def check(self) -> None:
        """Raise MeshGuard if the time is over or the kill switch is engaged, MeshDrift if a change drifted.

        A run that counts as dead has drifted too, because its changes are being reverted.
        """
        limits.require_no_kill_switch(self._kube, self._namespace)
        for beat in list(self._beats.values()):
            beat.check()
        for live in list(self._live):
            if self._kube.now() > live.change.expires_at:
                raise MeshGuard(
                    f"{live.change.name}: its time to live of {self._settings.limits.duration_s:g} s is over "
                    "(cluster.limits.duration); plan shorter phases"
                )
        with self._writing:
            self._drift.check(self._kube)
            for action in self._acted:
                require_kept(self._kube, action)
        if not self._settings.proxies:
            pods = self._kube.list("Pod", self._namespace)
            steps = self._live_steps()
            self._arm_health.check(pods, steps)
            self._restarts.check(map(as_pod, pods), steps)

    def _live_steps(self) -> list[Step]:
        return [step for live in list(self._live) for step in live.change.steps]

    def watch_arms(self, arms: Sequence[Mapping[str, str]]) -> None:
        """Count the requests of each pod of the arms, and make ``check`` raise WorkloadDeath when an arm dies.

        arms: pod labels of the baseline and of the canary.
        """
        self._proxies.watch_arms(arms)
        self._arm_health = ArmHealth(self._kube, self._namespace, arms)

    def copy_logs(self) -> None:
        """Write the log of the canary to the folder of the run, if ``log_canary`` has said where."""
        if self._log is not None:
            self._log()

    def log_canary(self, labels: Mapping[str, str], file: Path) -> None:
        """Make ``copy_logs`` write what pods with these labels log from now on to a file."""
        self._log = partial(copy_arm_log, self._kube, self._namespace, labels, since_s=self._kube.now(), file=file)

    def close(self) -> None:
        """Stop the heartbeats. Every change has been reverted by then."""
        with deferred_interrupts():
            for owner, beat in self._beats.items():
                try:
                    retry(partial(self._locks.release, owner), patience_s=self._settings.patience_s, tell=self._tell)
                    beat.stop()
                except ClusterError as error:
                    self._tell(f"run {owner}: its Leases could not be deleted; the reaper will: {error}")
            self._beats.clear()
            if self._watchdog is not None:
                self._watchdog.end()

    def _planned(self, steps: Sequence[Step], name: str) -> ClusterChange:
        """Make every check that can fail before anything is changed."""
        if not steps:
            raise UsageError(f"{name}: expected at least one step, found none")
        limits.require_no_kill_switch(self._kube, self._namespace)
        faults = limits.faults_of(self._live_steps())
        limits.require_within(steps, live=faults, namespace=self._namespace, limits=self._settings.limits)
        self._number += 1
        change = JournalEntry(
            owner=steps[0].owner,
            number=self._number,
            name=name,
            steps=tuple(steps),
            expires_at=self._kube.now() + self._settings.limits.duration_s,
            made_by=self._made_by,
            ends_at=None if self._settings.hold_s is None else self._kube.now() + self._settings.hold_s,
        )
        require_lasting(self._kube, name, until=change.ends_at, latest=change.expires_at, tell=self._tell)
        self._require_possible(steps)
        return ClusterChange(change=change)

    def _require_possible(self, steps: Sequence[Step]) -> None:
        """Check rights, controllers that would overwrite the steps, and dry runs, before anything is changed."""
        edits = [step for step in steps if isinstance(step, Edit)]
        actions = [step for step in steps if isinstance(step, Action)]
        acting = {right for action in actions for right in rights_for_action(action)}
        needed = {*rights_for(edits, self._settings), *acting} - self._granted
        require_rights(self._kube, self._namespace, needed)
        self._granted |= needed
        if not any(isinstance(step, Action) for step in self._live_steps()):  # else it may be us who unsettled them
            require_settled(self._kube, self._namespace)
        require_allowed(self._kube, self._namespace, actions)
        require_resizable(self._kube, actions, patience_s=self._settings.live_within_s)
        if self._settings.prove:
            shown = {edit.label: self._proofs.footprint(edit) for edit in edits}
            require_targets(self._proxies, shown, self._namespace)
        self._locks.require_free(steps[0].owner, steps, self.resources())
        self._require_dry_runs(edits)

    def _require_dry_runs(self, edits: Sequence[Edit]) -> None:
        for place in dict.fromkeys(edit.place for edit in edits):
            found = self._kube.get(*place)
            if found is not None:
                require_unowned(found, allowed=self._settings.owners)
            mine = [edit for edit in edits if edit.place == place]
            written, _ = self._kube.change(
                *place, partial(all_applied, mine), patience_s=self._settings.live_within_s, dry_run=True
            )
            new = () if written is None else self._new_warnings(found, written.warnings)
            if new and place[0] == "Deployment":
                # A copy causes the warnings of its original, for instance about pod security.
                self._tell(f"{mine[0].label}: {'; '.join(new)}")
            elif new:
                raise MeshError(f"{mine[0].label}: the API server warns, so nothing is changed: {'; '.join(new)}")

    def _new_warnings(self, found: JsonObject | None, warnings: Sequence[str]) -> tuple[str, ...]:
        if not warnings or found is None:
            return tuple(warnings)
        return limits.new_warnings(self._kube.replace(found, dry_run=True).warnings, warnings)

    def _make(self, live: ClusterChange) -> None:
        change = live.change
        self._start_beating(change.owner)
        self._locks.take(change.owner, change.steps, self.resources())
        self._live.append(live)
        self._journal.will_make(change)
        for step in change.steps:
            # A run that counts as dead by now must not change anything else.
            self._beats[change.owner].require()
            said = self._carry_out(live, step)
            live.proof = "; ".join(part for part in (live.proof, said) if part)
        if not self._journal.still_there(change):
            raise MeshError(
                f"{change.name}: its journal {change.config_map} is gone: somebody undid the change meanwhile"
            )

    def _carry_out(self, live: ClusterChange, step: Step) -> str:
        """Carry out one step, and return how it was seen to be in force."""
        change, still = live.change, partial(self._require_going_on, live.change.owner)
        if isinstance(step, Action):
            still()
            carry_out(self._kube, step.act, patience_s=self._settings.live_within_s)
            said = require_done(self._kube, step.act, within_s=self._settings.ready_within_s, still=still)
            with self._writing:
                self._acted.append(step)
            return said
        written = self._write(live, step)
        if written is not None:
            note_on(self._kube, written.resource, reason="Changed", message=f"{change.name} (run {change.owner})")
        return self._proofs.require(step, still=still)

    def _write(self, live: ClusterChange, edit: Edit) -> Written | None:
        """Make one edit, unless the change has ended meanwhile. The lock keeps the drift check out in between."""
        with self._writing:
            self._require_going_on(live.change.owner)
            written, before = self._kube.change(
                edit.kind,
                edit.namespace,
                edit.name,
                partial(applied, edit),
                patience_s=self._settings.live_within_s,
                tell=self._tell,
            )
            if written is not None:
                self._drift.made(edit, before=before, after=written.resource)
            return written

    def _leave(self, live: ClusterChange) -> None:
        """Revert what has not been reverted. Raises RollbackError, once, if that failed."""
        with deferred_interrupts():
            self._undo(live)
            trouble, live.trouble = live.trouble, ""
            if trouble:
                raise RollbackError(trouble)

    def _end(self, live: ClusterChange) -> None:
        """Revert the change from outside of its block; another thread that is still making the change gives up."""
        self._over.add(live.change.owner)
        self._undo(live)

    def _require_going_on(self, owner: str) -> None:
        if owner in self._over:
            raise MeshGuard(f"run {owner}: was ended while a change was being made")

    def _undo(self, live: ClusterChange) -> None:
        """Revert the change from any thread; a second caller waits for the first."""
        with live.lock:
            if live.rollback is not None or live not in self._live:
                return
            started, change = time.monotonic(), live.change
            with self._writing:
                self._drift.leave(change.edits)
                self._acted = [action for action in self._acted if action not in change.steps]
            trouble = live.trouble = self._trouble_undoing(change)
            seconds = time.monotonic() - started
            live.rollback = Rollback(change=change.name, verified=not trouble, seconds=seconds, detail=trouble)
            with self._writing:
                self._live.remove(live)
                others = [other for one in self._live for other in one.change.edits]
                self._drift.undone(change.edits, others=others)

    def _trouble_undoing(self, change: JournalEntry) -> str:
        """Revert the change, and return what is left of it, or an empty string."""
        slow: list[str] = []

        def settle(edit: Edit) -> None:
            try:
                self._proofs.require(edit)
            except HarnessError as error:
                slow.append(str(error))

        try:
            undo(self._kube, change, patience_s=self._settings.patience_s, settle=settle, tell=self._tell)
            self._journal.was_undone(change, patience_s=self._settings.patience_s)
        except RollbackError as error:
            return str(error)
        except HarnessError as error:
            return f"{change.name}: undone, but the journal could not be closed: {error}\n{by_hand(self._kube, change)}"
        places = [edit.place for edit in change.edits]
        note_restored(self._kube, places, f"{change.name} (run {change.owner})")
        return "" if not slow else f"{change.name}: the resources are as before, but: {'; '.join(slow)}"

    def _start_beating(self, owner: str) -> None:
        if owner in self._beats:
            return
        others = [change for change in journalled(self._kube, self._namespace) if change.owner == owner]
        if others:
            command = self._kube.commands.harness(f"restore --run {owner}", self._namespace)
            raise MeshError(f"run {owner}: left {others[0].name} behind; first: {command}")
        beat = Heartbeat(self._kube, namespace=self._namespace, owner=owner, interval_s=self._settings.heartbeat_s)
        with deferred_interrupts():
            if self._watchdog is not None and not self._watchdog.watch(owner):
                raise MeshError("the watchdog of this run has died; nothing is changed without it (cluster.watchdog)")
            beat.start()
            self._beats[owner] = beat
