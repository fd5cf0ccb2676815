"""Prove that an edit is in force on a cluster, and later that it is gone: in sidecars, and by answers of the entry."""

from __future__ import annotations

from collections.abc import Callable

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import UsageError
from harness.mesh.cluster.proof.probing import ARM_MARK, probe_of
from harness.mesh.cluster.proof.proxies import Proxies
from harness.mesh.cluster.safety.rollouts import require_ready
from harness.mesh.port import Entry
from harness.model.cluster import ClusterSettings
from harness.model.step import Edit
from harness.routing import footprint
from harness.routing.port import Footprint


def entry_of(settings: ClusterSettings) -> Entry:
    """Return where load is sent: ``cluster.url``. Raises UsageError if it is not set."""
    if settings.url is None:
        raise UsageError(
            "cluster.url in harness.yaml: expected the URL at which load reaches the entry service, found nothing; "
            "inside the mesh it is http://SERVICE.NAMESPACE:PORT"
        )
    return Entry(url=settings.url, headers=dict(settings.headers))


class Proofs:
    """Proves the edits of one run, one after the other."""

    def __init__(self, kube: Kubernetes, namespace: str, settings: ClusterSettings, proxies: Proxies) -> None:
        """proxies: the sidecars of the namespace."""
        self._kube, self._namespace, self._settings, self._proxies = kube, namespace, settings, proxies
        self._probed: set[tuple[str, str, str]] = set()

    def require(self, edit: Edit, *, still: Callable[[], None] | None = None) -> str:
        """Wait until the edit is in every proxy that it concerns or, without ``still``, until it is gone from them.

        still: raises when the change is no longer wanted. Returns how it was seen. The proxy of a gateway cannot be
        asked, so its answers are checked.
        """
        there, within_s = still is not None, self._settings.live_within_s
        if edit.kind == "Deployment":
            if still is not None:
                ready_s = self._settings.ready_within_s
                require_ready(self._kube, edit.namespace, edit.name, within_s=ready_s, still=still)
            return "its pods are ready"
        if not self._settings.prove:
            return "sent, not verified: cluster.prove is false"
        shown = self.footprint(edit)
        if not shown.traces:
            return f"{edit.label}: the API server has it; no proxy shows objects of this kind"
        if shown.in_sidecars:
            asked = self._proxies.require(edit.label, shown, there=there, within_s=within_s, still=still)
            behaved = self._behaves(edit, shown, there=there) if shown.has_routes else ""
            return f"{edit.label}: in {asked} proxies" + (f", {behaved}" if behaved else "")
        entry_of(self._settings)  # raises if the settings name no entry
        probe = probe_of(self._settings, edit.owner)
        if probe is None:
            return ""
        return probe.require(edit.label, shown.marks, there=there, within_s=within_s, still=still)

    def footprint(self, edit: Edit) -> Footprint:
        """Return how an edit shows in the proxies while it is in force."""
        return footprint(edit, self._kube.get(*edit.place), namespace=self._namespace)

    def _behaves(self, edit: Edit, shown: Footprint, *, there: bool) -> str:
        """Return what answers at the entry show of an edit that the sidecars have, or no longer have."""
        place = edit.place
        probe = probe_of(self._settings, edit.owner)
        if ARM_MARK not in shown.marks:
            return "not probed: what it changes is called inside the mesh"
        if probe is None:
            return "not probed: cluster.url is not set"
        if there:
            seen, said = probe.look(edit.label, shown.marks)
            (self._probed.add if seen else self._probed.discard)(place)
            return said
        if place not in self._probed:
            return ""
        self._probed.discard(place)
        return probe.require(edit.label, shown.marks, there=False, within_s=self._settings.live_within_s)
