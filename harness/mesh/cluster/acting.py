"""Actions on a cluster's objects that are no edit: what each verb needs, how it is done, seen, and reverted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.clients.kubernetes.retry import retry
from harness.errors import MeshError, UsageError
from harness.mesh.cluster.safety.rights import Right
from harness.mesh.cluster.safety.rollouts import require_settled
from harness.model.json import Json
from harness.model.step import Act, Action, Verb

_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doer:
    """One verb. rights: that it needs. do: carries it out; idempotent. is_done: whether the cluster shows it."""

    rights: tuple[Right, ...]
    do: Callable[[Kubernetes, Act, float], None]
    is_done: Callable[[Kubernetes, Act], bool]


def rights_for_action(action: Action) -> tuple[Right, ...]:
    """What the action and its undo take. Raises UsageError for a verb or target that a cluster does not have."""
    acts = [action.act, *([] if action.undo is None else [action.undo])]
    return tuple(right for act in acts for right in _doer(act).rights)


def carry_out(kube: Kubernetes, act: Act, *, patience_s: float) -> None:
    """Do it; doing it twice is the same as once. Raises MeshError when the target is another object by now."""
    _doer(act).do(kube, act, patience_s)


def require_done(kube: Kubernetes, act: Act, *, within_s: float, still: Callable[[], None] | None = None) -> str:
    """Wait until the cluster shows it, and say so. Raises MeshError after ``within_s`` seconds."""
    give_up = time.monotonic() + within_s
    while not _doer(act).is_done(kube, act):
        if time.monotonic() > give_up:
            raise MeshError(f"{act.label}: expected it to be done within {within_s:g} s, it is not")
        if still is not None:
            still()
        time.sleep(_PAUSE_S)
    return f"{act.label}: done"


def require_healed(kube: Kubernetes, action: Action, namespace: str) -> None:
    """Wait until every Deployment is settled again. Raises MeshError when the time that healing may take is over."""
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
    """What of an action is not reverted, in words; empty when nothing is."""
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


def _scaled(act: Act, found: Json | None) -> Json | None:
    """The Deployment with the replicas asked for, but only where it has those that were expected: else it is another's."""
    if found is None:
        return None
    if found["spec"].get("replicas", 1) != act.args["from"]:
        return found
    return {**found, "spec": {**found["spec"], "replicas": act.args["replicas"]}}


def _is_scaled(kube: Kubernetes, act: Act) -> bool:
    """Done, or somebody else scales it meanwhile, whose affair it is then."""
    found = kube.get(act.target.kind, act.target.namespace, act.target.name)
    if found is None or found["spec"].get("replicas", 1) not in (act.args["replicas"], act.args["from"]):
        return True
    return bool(found["spec"].get("replicas", 1) == act.args["replicas"])


def _evict(kube: Kubernetes, act: Act, patience_s: float) -> None:
    retry(partial(_evict_once, kube, act), patience_s=patience_s, tell=ignore)


def _evict_once(kube: Kubernetes, act: Act) -> None:
    found = kube.get("Pod", act.target.namespace, act.target.name)
    if found is not None and found["metadata"].get("uid") == act.target.uid:
        kube.evict(found)


def _is_evicted(kube: Kubernetes, act: Act) -> bool:
    found = kube.get("Pod", act.target.namespace, act.target.name)
    return found is None or found["metadata"].get("uid") != act.target.uid


_DOERS: Mapping[tuple[Verb, str], _Doer] = {
    (Verb.SCALE, "Deployment"): _Doer(
        rights=(Right(verb="get", kind="Deployment"), Right(verb="update", kind="Deployment")),
        do=_scale,
        is_done=_is_scaled,
    ),
    (Verb.EVICT, "Pod"): _Doer(
        rights=(Right(verb="get", kind="Pod"), Right(verb="create", kind="Pod", subresource="eviction")),
        do=_evict,
        is_done=_is_evicted,
    ),
}
