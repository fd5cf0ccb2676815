"""The heartbeat of a run: a Lease that the run renews. A process that reverts its changes takes the Lease first.

The Lease is a fence: a run that finds another holder knows that its changes are being reverted, and stops. Times are
those of the API server, which every answer contains, so that clocks need not agree.
"""

from __future__ import annotations

import threading

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.clients.kubernetes.types import as_lease
from harness.errors import ClusterConflict, ClusterError, ClusterForbidden, ClusterUnreachable, MeshDrift
from harness.model.json import JsonObject, object_at
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, prefix

MISSED = 4
"""So many renewals missed, and the run counts as dead."""


def lease_name(owner: str) -> str:
    """Return the name of a run's Lease."""
    return f"{prefix(owner)}alive"


class Heartbeat:
    """A run's Lease, which a thread renews until it is stopped."""

    def __init__(self, kube: Kubernetes, *, namespace: str, owner: str, interval_s: float) -> None:
        """interval_s: seconds between two renewals."""
        self._kube, self._namespace, self._owner, self._interval_s = kube, namespace, owner, interval_s
        self._lease: JsonObject = {}
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {owner}", daemon=True)
        self._lost = ""

    def start(self) -> None:
        """Create the Lease and begin to renew it. Raises ClusterConflict if a run of that name is alive."""
        self._lease = self._kube.create(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": lease_name(self._owner),
                    "namespace": self._namespace,
                    "labels": {**MANAGED_BY, OWNER_LABEL: self._owner},
                },
                "spec": {
                    "holderIdentity": self._owner,
                    "leaseDurationSeconds": max(round(self._interval_s * MISSED), 1),
                    "acquireTime": stamp(self._kube.now()),
                    "renewTime": stamp(self._kube.now()),
                },
            }
        ).resource
        self._thread.start()

    def require(self) -> None:
        """Renew now. Raises MeshDrift if the Lease is no longer ours, ClusterUnreachable without an answer."""
        self._renew()
        if self._lost:
            raise MeshDrift(self._lost)

    def check(self) -> None:
        """Raise MeshDrift if the Lease has been lost."""
        if self._lost:
            raise MeshDrift(self._lost)

    def stop(self) -> None:
        """Stop renewing and delete the Lease, unless another holder has taken it."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            if self._lease and not self._lost:
                self._kube.change(
                    "Lease", self._namespace, lease_name(self._owner), self._gone, patience_s=self._interval_s
                )

    def _gone(self, found: JsonObject | None) -> JsonObject | None:
        return None if found is not None and as_lease(found)["spec"].get("holderIdentity") == self._owner else found

    def _beat(self) -> None:
        while not self._stopped.wait(self._interval_s) and not self._lost:
            try:
                self._renew()
            except (ClusterForbidden, ClusterUnreachable):
                # The server may be restarting: the next beat tries again, and the reaper counts the missed ones.
                continue
            except ClusterError as error:
                self._lost = f"the sign of life of run {self._owner} cannot be renewed: {error}"

    def _renew(self) -> None:
        with self._lock:
            spec: JsonObject = {**object_at(self._lease, "spec"), "renewTime": stamp(self._kube.now())}
            try:
                self._lease = self._kube.replace({**self._lease, "spec": spec}).resource
            except ClusterConflict:
                found = self._kube.get("Lease", self._namespace, lease_name(self._owner))
                holder = None if found is None else as_lease(found)["spec"].get("holderIdentity")
                if found is None or holder != self._owner:
                    state = "deleted" if found is None else f"taken by {holder}"
                    self._lost = (
                        f"expected the Lease {lease_name(self._owner)} to be ours, found it {state}: "
                        "the run counted as dead, and its changes are undone"
                    )
                    return
                self._lease = found
            except ClusterError as error:
                if isinstance(error, ClusterUnreachable):
                    raise
                found = self._kube.get("Lease", self._namespace, lease_name(self._owner))
                if found is None:
                    self._lost = f"the Lease {lease_name(self._owner)} was deleted: the run's changes are undone"
                    return
                raise
