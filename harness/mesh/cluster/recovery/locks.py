"""Allow one run for each host: a Lease for the host, which the first run creates and holds until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.clients.kubernetes.types import about, as_lease, metadata_of
from harness.errors import ClusterConflict, MeshError
from harness.model.json import JsonObject, list_at, text_at, texts_at
from harness.model.step import Action, Step, require_declared
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL

LOCK_LABEL = "canary-harness/lock"


class Locks:
    """The locks of a namespace."""

    def __init__(self, kube: Kubernetes, namespace: str) -> None:
        """Lock nothing yet."""
        self._kube, self._namespace = kube, namespace

    def take(self, owner: str, steps: Sequence[Step], resources: Sequence[JsonObject]) -> None:
        """Lock every host that the steps concern. Raises MeshError that names the run that holds a lock."""
        for host in sorted({_host(step, resources) for step in steps}):
            self._take(owner, host)

    def require_free(self, owner: str, steps: Sequence[Step], resources: Sequence[JsonObject]) -> None:
        """Raise MeshError if another run holds a host that the steps concern. Locks nothing."""
        self.require_hosts_free(owner, {_host(step, resources) for step in steps})

    def require_hosts_free(self, owner: str, hosts: AbstractSet[str]) -> None:
        """Raise MeshError if another run holds one of the hosts, each the first label of its name. Locks nothing."""
        for host in sorted(hosts):
            found = self._kube.get("Lease", self._namespace, f"harness-host-{host}")
            if found is not None:
                self._require_ours(owner, host, as_lease(found)["spec"].get("holderIdentity"))

    def release(self, owner: str) -> None:
        """Release all locks of a run."""
        for lease in self._kube.list("Lease", self._namespace, labels={OWNER_LABEL: owner, LOCK_LABEL: "true"}):
            self._kube.delete(lease)

    def _take(self, owner: str, host: str) -> None:
        name = f"harness-host-{host}"
        lease: JsonObject = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {**MANAGED_BY, OWNER_LABEL: owner, LOCK_LABEL: "true"},
            },
            "spec": {"holderIdentity": owner, "acquireTime": stamp(self._kube.now())},
        }
        try:
            self._kube.create(lease)
        except ClusterConflict as error:
            found = self._kube.get("Lease", self._namespace, name)
            holder = None if found is None else as_lease(found)["spec"].get("holderIdentity")
            try:
                self._require_ours(owner, host, holder)
            except MeshError as taken:
                raise taken from error

    def _require_ours(self, owner: str, host: str, holder: str | None) -> None:
        if holder != owner:
            raise MeshError(
                f"{host}: expected no other run on it, found run {holder}; wait for it, or if it is dead: "
                + self._kube.commands.harness(f"restore --run {holder}", self._namespace)
            )


def _host(step: Step, resources: Sequence[JsonObject]) -> str:
    """Return the first label of the host that an edit's resource is about, or that an action declares."""
    if isinstance(step, Action):
        return require_declared(step).host.split(".", maxsplit=1)[0]
    place = (step.kind, step.name)
    found = step.create or next(
        (item for item in resources if (item.get("kind"), metadata_of(item)["name"]) == place), None
    )
    with about(step.label):
        named = texts_at(found, "metadata", "labels")
        if HOST_LABEL in named:
            return named[HOST_LABEL]
        hosts = [text_at(found, "spec", "host", default=""), *list_at(found, "spec", "hosts"), step.name]
    return str(next(filter(None, hosts))).split(".", maxsplit=1)[0].replace("*", "any")
