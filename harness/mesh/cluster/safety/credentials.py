"""Check that the credentials last as long as a change: an undo with an expired token is refused."""

from __future__ import annotations

from collections.abc import Callable

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.errors import ClusterError


def require_lasting(
    kube: Kubernetes, name: str, *, until: float | None, latest: float, tell: Callable[[str], None]
) -> None:
    """Raise ClusterError if the token expires before a change ends.

    name: of the change. until: when it ends; None if only its run knows that. latest: when the reaper undoes it.
    tell: receives a warning if only its run knows when the change ends, and that may be after the token has expired.
    Credentials are read again when the server refuses them, so a plugin or a new token in the kubeconfig helps.
    """
    ends_at = kube.token_ends_at
    if ends_at is None:
        return
    if until is not None and ends_at < until:
        raise ClusterError(
            f"{name}: expected credentials that last until its end at {stamp(until)[:19]}Z, found a "
            f"token of context {kube.context} that expires at {stamp(ends_at)[:19]}Z: the undo would be refused; "
            "log in again, or choose a shorter time"
        )
    if until is None and ends_at < latest:
        tell(
            f"{name}: the token of context {kube.context} expires at {stamp(ends_at)[:19]}Z; if the run lasts "
            "longer, its undo needs a new one in the kubeconfig: log in again before"
        )
