"""Carry out actions on objects of a cluster, verify them and revert them; each verb needs its own rights."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.clients.kubernetes.retry import retry
from harness.clients.kubernetes.types import as_deployment, metadata_of
from harness.errors import MeshDrift, MeshError, NotInForce, UsageError
from harness.mesh.cluster.resizing import RESIZE, has_limit, is_resized, resize, why_not_resized
from harness.mesh.cluster.safety.rights import Right
from harness.mesh.cluster.safety.rollouts import require_settled
from harness.model.json import JsonObject, object_at
from harness.model.step import Act, Action, Verb

_PAUSE_S = 0.2
_GRACE_S = 1
"""How long a deleted pod has to end. With 0, the object would go before anybody has seen the containers end."""


def _says_nothing(kube: Kubernetes, act: Act) -> str:  # noqa: ARG001 - as the others
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doer:
    """One verb.

    rights: what it needs. do: carries it out, and may be repeated. is_done: returns whether the API server has the
    result. has_effect: returns whether the cluster shows it. why_not: returns what the cluster says if it does not.
    """

    rights: tuple[Right, ...]
    do: Callable[[Kubernetes, Act, float], None]
    is_done: Callable[[Kubernetes, Act], bool]
    has_effect: Callable[[Kubernetes, Act], bool]
    why_not: Callable[[Kubernetes, Act], str] = _says_nothing


def rights_for_action(action: Action) -> tuple[Right, ...]:
    """Return the rights that the action and its undo need.

    Raises UsageError for a verb or a target that a cluster does not have.
    """
    acts = [action.act, *([] if action.undo is None else [action.undo])]
    return tuple(right for act in acts for right in _doer(act).rights)


def carry_out(kube: Kubernetes, act: Act, *, patience_s: float) -> None:
    """Carry out an act; repeating it changes nothing. Raises MeshError if the target has become another object."""
    _doer(act).do(kube, act, patience_s)


def require_done(kube: Kubernetes, act: Act, *, within_s: float, still: Callable[[], None] | None = None) -> str:
    """Wait until the cluster shows the result, and say so. Raises NotInForce after ``within_s`` seconds."""
    give_up = time.monotonic() + within_s
    while not _doer(act).has_effect(kube, act):
        if time.monotonic() > give_up:
            why = _doer(act).why_not(kube, act)
            raise NotInForce(
                f"{act.label}: the API server took it, but the cluster shows no effect in {within_s:g} s"
                + (f": {why}" if why else "")
            )
        if still is not None:
            still()
        time.sleep(_PAUSE_S)
    return f"{act.label}: done"


def require_kept(kube: Kubernetes, action: Action) -> None:
    """Raise MeshDrift if somebody reverted or changed what a live action did; one without an undo leaves nothing."""
    if action.undo is not None and not left_of_action(kube, action):
        raise MeshDrift(
            f"{action.label}: somebody reverted or changed it while it was live (drift): the measurements are not "
            "valid; end that writer, such as an autoscaler"
        )


def require_healed(kube: Kubernetes, action: Action, namespace: str) -> None:
    """Wait until every Deployment is settled again. Raises MeshError if healing takes longer than the action allows."""
    give_up = time.monotonic() + (action.heals_within_s or 0.0)
    while True:
        try:
            require_settled(kube, namespace)
        except MeshError as error:
            if time.monotonic() > give_up:
                raise MeshError(
                    f"{action.label}: expected it to heal within {action.heals_within_s:g} s: {error}"
                ) from error
            time.sleep(_PAUSE_S)
        else:
            return


def left_of_action(kube: Kubernetes, action: Action) -> str:
    """Return what of an action has not been reverted, or an empty string."""
    if action.undo is None or _doer(action.undo).is_done(kube, action.undo):
        return ""
    return f"{action.label}: not reverted"


def _doer(act: Act) -> _Doer:
    found = _DOERS.get((act.verb, act.target.kind))
    if found is None:
        known = ", ".join(f"{verb} {kind}" for verb, kind in _DOERS)
        raise UsageError(f"{act.label}: a cluster's actions are {known}; expected one of them")
    return found


def _scale(kube: Kubernetes, act: Act, patience_s: float) -> None:
    kube.change(act.target.kind, act.target.namespace, act.target.name, partial(_scaled, act), patience_s=patience_s)


def _scaled(act: Act, found: JsonObject | None) -> JsonObject | None:
    """Return the Deployment with the new number of replicas, unless somebody else has changed that number."""
    if found is None:
        return None
    if _replicas(found) != act.args["from"]:
        return found
    return {**found, "spec": {**object_at(found, "spec"), "replicas": act.args["replicas"]}}


def _is_scaled(kube: Kubernetes, act: Act) -> bool:
    """Return whether the replicas are set, or somebody else has set other ones, which we leave alone."""
    found = kube.get(act.target.kind, act.target.namespace, act.target.name)
    if found is None or _replicas(found) not in (act.args["replicas"], act.args["from"]):
        return True
    return _replicas(found) == act.args["replicas"]


def _has_pods(kube: Kubernetes, act: Act) -> bool:
    """Return whether as many pods as are wanted are ready, and no others: replicas alone are only a wish."""
    found = kube.get(act.target.kind, act.target.namespace, act.target.name)
    if found is None:
        return False
    status = as_deployment(found).get("status") or {}
    seen = status.get("observedGeneration", 0) >= metadata_of(found).get("generation", 0)
    counts = {status.get("replicas", 0), status.get("availableReplicas", 0), _replicas(found)}
    return seen and counts == {act.args["replicas"]}


def _replicas(deployment: JsonObject) -> int:
    return as_deployment(deployment)["spec"].get("replicas", 1)


def _evict(kube: Kubernetes, act: Act, patience_s: float) -> None:
    retry(partial(_evict_once, kube, act), patience_s=patience_s, tell=ignore)


def _evict_once(kube: Kubernetes, act: Act) -> None:
    found = kube.get("Pod", act.target.namespace, act.target.name)
    if found is not None and metadata_of(found).get("uid") == act.target.uid:
        kube.evict(found)


def _delete(kube: Kubernetes, act: Act, patience_s: float) -> None:
    retry(partial(_delete_once, kube, act), patience_s=patience_s, tell=ignore)


def _delete_once(kube: Kubernetes, act: Act) -> None:
    found = kube.get("Pod", act.target.namespace, act.target.name)
    if found is not None and metadata_of(found).get("uid") == act.target.uid:
        kube.delete(found, grace_s=_GRACE_S)


def _is_gone(kube: Kubernetes, act: Act) -> bool:
    found = kube.get("Pod", act.target.namespace, act.target.name)
    return found is None or metadata_of(found).get("uid") != act.target.uid


_DOERS: Mapping[tuple[Verb, str], _Doer] = {
    (Verb.SCALE, "Deployment"): _Doer(
        rights=(
            Right(verb="get", kind="Deployment"),
            Right(verb="update", kind="Deployment"),
            Right(verb="list", kind="PodDisruptionBudget"),
            Right(verb="list", kind="HorizontalPodAutoscaler"),
        ),
        do=_scale,
        is_done=_is_scaled,
        has_effect=_has_pods,
    ),
    (Verb.EVICT, "Pod"): _Doer(
        rights=(
            Right(verb="get", kind="Pod"),
            Right(verb="create", kind="Pod", subresource="eviction"),
            Right(verb="list", kind="PodDisruptionBudget"),
        ),
        do=_evict,
        is_done=_is_gone,
        has_effect=_is_gone,
    ),
    (Verb.DELETE, "Pod"): _Doer(
        rights=(
            Right(verb="get", kind="Pod"),
            Right(verb="delete", kind="Pod"),
            Right(verb="list", kind="PodDisruptionBudget"),
        ),
        do=_delete,
        is_done=_is_gone,
        has_effect=_is_gone,
    ),
    (Verb.RESIZE, "Pod"): _Doer(
        rights=(Right(verb="get", kind="Pod"), Right(verb="update", kind="Pod", subresource=RESIZE)),
        do=resize,
        is_done=is_resized,
        has_effect=has_limit,
        why_not=why_not_resized,
    ),
}
