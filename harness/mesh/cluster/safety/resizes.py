"""Check, before anything is changed, that the API server can resize running pods and accepts what a fault asks for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import UsageError
from harness.mesh.cluster.resizing import RESIZE, resized
from harness.model.json import JsonObject
from harness.model.step import Act, Action, Verb


def require_resizable(kube: Kubernetes, actions: Sequence[Action], *, patience_s: float) -> None:
    """Send a dry run of every resize of a pod.

    Raises UsageError for a server that cannot resize pods, and the server's error if it refuses a resize, for example
    because it would change a pod's quality of service or exceed a LimitRange.
    """
    acts = [action.act for action in actions if action.act.verb is Verb.RESIZE]
    if acts and not kube.serves("Pod", RESIZE):
        raise UsageError(
            f"{acts[0].label}: the API server has no pods/{RESIZE} (Kubernetes 1.33 and later have it), so it cannot "
            "change the limits of running pods; a delay of the service, or scale, comes closest"
        )
    for target in dict.fromkeys(act.target for act in acts):
        mine = [act for act in acts if act.target == target]
        change = partial(_all_resized, mine)
        kube.change(
            "Pod", target.namespace, target.name, change, patience_s=patience_s, dry_run=True, subresource=RESIZE
        )


def _all_resized(acts: Sequence[Act], pod: JsonObject | None) -> JsonObject | None:
    return reduce(lambda found, act: resized(act, found), acts, pod)
