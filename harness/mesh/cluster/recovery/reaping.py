"""Revert what dead runs left behind: each journalled change whose run is silent, or whose time to live is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.clients.kubernetes.times import epoch
from harness.clients.kubernetes.types import as_lease, labels_of, metadata_of
from harness.errors import ClusterConflict, ClusterError, HarnessError, MeshError, RollbackError
from harness.mesh.cluster.events import note_on
from harness.mesh.cluster.recovery.heartbeat import lease_name
from harness.mesh.cluster.recovery.journal import Journal, JournalEntry, journalled, owners_left
from harness.mesh.cluster.recovery.locks import Locks
from harness.mesh.cluster.recovery.rollback import undo
from harness.model.json import JsonObject, object_at
from harness.model.step import Edit
from harness.routing import footprint
from harness.routing.edits import MANAGED_BY, OWNER_LABEL

REAPER = "reaper"
_SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """A change that was reverted, or why it could not be reverted."""

    change: JournalEntry
    reason: str
    trouble: str = ""


def reap(
    kube: Kubernetes,
    namespace: str,
    *,
    patience_s: float,
    tell: Callable[[str], None] = ignore,
    living: bool = False,
    owner: str | None = None,
    settle: Callable[[Edit], None] | None = None,
) -> tuple[Reaped, ...]:
    """Revert the changes of dead and overdue runs. If one change cannot be reverted, the others still are.

    living: also revert changes of runs that are alive. owner: only those of this run. settle: called after each edit
    that was undone, to wait until the proxies have lost it; by default it waits one second after routes, because a
    reaper may lack the right to ask the proxies.
    """
    done = []
    for change in journalled(kube, namespace, unreadable=tell):
        reason = reason_to_undo(kube, namespace, change) or ("asked for" if living else "")
        if reason and owner in (None, change.owner):
            done.append(
                restore(kube, namespace, change, reason=reason, patience_s=patience_s, tell=tell, settle=settle)
            )
    _sweep(kube, namespace, living=living, owner=owner)
    return tuple(done)


def restore(
    kube: Kubernetes,
    namespace: str,
    change: JournalEntry,
    *,
    reason: str,
    patience_s: float,
    tell: Callable[[str], None] = ignore,
    settle: Callable[[Edit], None] | None = None,
) -> Reaped:
    """Revert one change, whether its run is alive or not; taking the run's Lease first stops the run."""
    tell(f"{change.name} of run {change.owner}: {reason}: undoing")
    try:
        _take_over(kube, namespace, change.owner, patience_s=patience_s)
        undo(kube, change, patience_s=patience_s, settle=settle or _settle, tell=tell)
        _note(kube, change, reason)
        Journal(kube, namespace=namespace, file=None).was_undone(change, patience_s=patience_s)
        _end(kube, namespace, change.owner)
    except HarnessError as error:
        trouble = str(error) if isinstance(error, RollbackError) else f"{change.name} of run {change.owner}: {error}"
        return Reaped(change=change, reason=reason, trouble=trouble)
    return Reaped(change=change, reason=reason)


def reason_to_undo(kube: Kubernetes, namespace: str, change: JournalEntry) -> str:
    """Return why a journalled change is to be reverted now, or an empty string."""
    if kube.now() > change.expires_at:
        return "its time to live is over"
    lease = kube.get("Lease", namespace, lease_name(change.owner))
    return _death(lease, kube.now())


def require_no_leftovers(kube: Kubernetes, namespace: str) -> None:
    """Raise MeshError while the namespace contains changes of a dead run."""
    dead = [
        (change, reason)
        for change in journalled(kube, namespace)
        if (reason := reason_to_undo(kube, namespace, change))
    ]
    if dead:
        found = "; ".join(
            f"{change.name} of run {change.owner} by {change.made_by} ({reason})" for change, reason in dead
        )
        raise MeshError(
            f"namespace {namespace}: expected no change of a dead run, found {found}; first: "
            + kube.commands.harness(f"restore --run {dead[0][0].owner}", namespace)
        )


def _death(lease: JsonObject | None, now: float) -> str:
    if lease is None:
        return "its run has no Lease"
    try:
        spec = as_lease(lease)["spec"]
        renewed = spec.get("renewTime", "")
        silent_s = now - epoch(renewed) if renewed else 0.0
    except ValueError as error:  # a run that cannot prove that it is alive counts as dead
        return f"its Lease cannot be read: {error}"
    if spec.get("holderIdentity") == REAPER:
        return "its run was given up earlier"
    if not renewed or "leaseDurationSeconds" not in spec:
        return "its Lease does not say when it was renewed, or for how long"
    return f"its run has been silent for {silent_s:.0f} s" if silent_s > spec["leaseDurationSeconds"] else ""


def _take_over(kube: Kubernetes, namespace: str, owner: str, *, patience_s: float) -> None:
    def taken(lease: JsonObject | None) -> JsonObject | None:
        if lease is None:
            return None
        return {**lease, "spec": {**object_at(lease, "spec"), "holderIdentity": REAPER}}

    kube.change("Lease", namespace, lease_name(owner), taken, patience_s=patience_s)


def _end(kube: Kubernetes, namespace: str, owner: str) -> None:
    """Release the locks and the Lease of a run that has nothing left to revert."""
    if owner in owners_left(kube, namespace):
        return
    Locks(kube, namespace).release(owner)
    lease = kube.get("Lease", namespace, lease_name(owner))
    if lease is not None:
        kube.delete(lease)


def _sweep(kube: Kubernetes, namespace: str, *, living: bool, owner: str | None) -> None:
    """Delete the Leases of dead runs that have nothing left to revert."""
    busy = owners_left(kube, namespace)
    leases = kube.list("Lease", namespace, labels=MANAGED_BY)
    alive = {metadata_of(item)["name"]: item for item in leases}
    for lease in leases:
        holder = labels_of(metadata_of(lease)).get(OWNER_LABEL, "")
        wanted = owner in (None, holder) and holder not in busy
        if wanted and (living or _death(alive.get(lease_name(holder)), kube.now())):
            with suppress(ClusterConflict):  # it was renewed meanwhile, so the run is alive
                kube.delete(lease)


def _settle(edit: Edit) -> None:
    if footprint(edit, None, namespace=edit.namespace).has_routes:
        time.sleep(_SETTLE_S)


def _note(kube: Kubernetes, change: JournalEntry, reason: str) -> None:
    for edit in change.edits:
        try:
            found = kube.get(edit.kind, edit.namespace, edit.name)
        except ClusterError:
            return
        if found is not None:
            note_on(kube, found, reason="Restored", message=f"{change.name} (run {change.owner}): {reason}")
