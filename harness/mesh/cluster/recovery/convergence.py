"""Wait after an undo until the proxies have lost the edit, or say why the proxies could not be asked."""

from __future__ import annotations

import time

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterError, HarnessError
from harness.mesh.cluster.proof.proxies import Proxies
from harness.mesh.cluster.safety.rights import missing_rights, rights_to_ask
from harness.model.cluster import ClusterSettings
from harness.model.step import Edit
from harness.routing import footprint

_SETTLE_S = 1.0


class Convergence:
    """Called after each edit that was undone; waits until every proxy has lost it.

    Routes must be gone before the subsets that they lead to. Without the right to ask the proxies, it waits one second.
    """

    def __init__(self, kube: Kubernetes, namespace: str, settings: ClusterSettings) -> None:
        """settings: which proxies to ask, and how long to wait. The rights are checked on first use."""
        self._kube, self._namespace, self._settings = kube, namespace, settings
        self._unasked: str | None = None
        self._seen = 0
        self.lagging: list[str] = []

    def __call__(self, edit: Edit) -> None:
        """Wait; ``lagging`` records proxies that lag, and the undo continues."""
        try:
            shown = footprint(edit, self._kube.get(*edit.place), namespace=self._namespace)
        except HarnessError as error:
            self.lagging.append(str(error))
            return
        if not shown.traces:
            return
        if self._why_not():
            time.sleep(_SETTLE_S if shown.has_routes else 0)
            return
        proxies = Proxies(self._kube, self._namespace, self._settings)
        try:
            proxies.require(edit.label, shown, there=False, within_s=self._settings.live_within_s)
            self._seen += 1
        except HarnessError as error:
            self.lagging.append(str(error))

    @property
    def said(self) -> str:
        """Return what has been seen."""
        if self.lagging:
            return f"the resources are as before, but some proxies still lag: {'; '.join(self.lagging)}"
        if self._unasked:
            return f"undone; the resources are verified, but the proxies were not asked: {self._unasked}"
        return "undone and verified, in the proxies too" if self._seen else "undone and verified"

    def _why_not(self) -> str:
        if self._unasked is None:
            if not self._settings.prove:
                self._unasked = "cluster.prove is false"
                return self._unasked
            try:
                missing = missing_rights(self._kube, self._namespace, rights_to_ask(self._settings))
                self._unasked = f"rights are missing: {', '.join(map(str, missing))}" if missing else ""
            except ClusterError as error:
                self._unasked = str(error)
        return self._unasked
