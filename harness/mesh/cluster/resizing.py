"""Resize a running pod: change the limit of one container, and see what the kubelet made of it."""

from __future__ import annotations

from functools import partial

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import metadata_of
from harness.model.json import JsonObject, object_at, objects_at, text_at, value_at
from harness.model.quantities import parse_quantity
from harness.model.step import Act

RESIZE = "resize"
"""The subresource that changes the resources of a running pod (Kubernetes 1.33 and later)."""
_PENDING = ("PodResizePending", "PodResizeInProgress")
"""The conditions of a pod whose kubelet has not applied a new limit."""


def resize(kube: Kubernetes, act: Act, patience_s: float) -> None:
    """Set the limit and the request of a container, unless somebody else has changed the limit or the pod is gone."""
    target = act.target
    kube.change("Pod", target.namespace, target.name, partial(resized, act), patience_s=patience_s, subresource=RESIZE)


def resized(act: Act, pod: JsonObject | None) -> JsonObject | None:
    """Return the pod with the new limit; as it is if it is another pod, or its limit is not the one to change."""
    if pod is None or not _is_target(act, pod) or not _limit_is(act, pod, "from"):
        return pod
    containers = [
        _with_limit(act, one) if _is_meant(act, one) else one for one in objects_at(pod, "spec", "containers")
    ]
    return {**pod, "spec": {**object_at(pod, "spec"), "containers": [*containers]}}


def is_resized(kube: Kubernetes, act: Act) -> bool:
    """Return whether the limit is set, and no container runs with another one.

    Nothing is left to do either if the pod is gone, or if somebody else has set another limit.
    """
    pod = _pod(kube, act)
    if pod is None or not (_limit_is(act, pod, "limit") or _limit_is(act, pod, "from")):
        return True
    return _limit_is(act, pod, "limit") and not any(_runs_otherwise(act, one) for one in _reported(act, pod))


def has_limit(kube: Kubernetes, act: Act) -> bool:
    """Return whether the kubelet reports the limit as applied: the limit alone is only a wish."""
    pod = _pod(kube, act)
    return pod is not None and _limit_is(act, pod, "limit") and _is_applied(act, pod)


def why_not_resized(kube: Kubernetes, act: Act) -> str:
    """Return what the kubelet says about a limit that it has not applied, or an empty string."""
    pod = _pod(kube, act)
    if pod is None:
        return "the pod is gone"
    said = [one for one in objects_at(pod, "status", "conditions") if _is_pending(one)]
    return "; ".join(
        " ".join(filter(None, (text_at(one, key, default="") for key in ("type", "reason", "message")))) for one in said
    )


def _pod(kube: Kubernetes, act: Act) -> JsonObject | None:
    """Return the pod that the act is about; None if it is gone, also if another one has its name now."""
    found = kube.get("Pod", act.target.namespace, act.target.name)
    return found if _is_target(act, found) else None


def _is_target(act: Act, pod: JsonObject | None) -> bool:
    return pod is not None and metadata_of(pod).get("uid") == act.target.uid


def _is_meant(act: Act, container: JsonObject) -> bool:
    return text_at(container, "name") == act.args["container"]


def _limit_is(act: Act, pod: JsonObject, key: str) -> bool:
    """Return whether the container's limit is the one that the act calls ``key``."""
    return any(_has(act, one, key) for one in objects_at(pod, "spec", "containers") if _is_meant(act, one))


def _has(act: Act, container: JsonObject, key: str) -> bool:
    """Return whether a container, or what is reported of it, has this limit; people and servers write it otherwise."""
    found = text_at(container, "resources", "limits", str(act.args["resource"]), default="")
    return bool(found) and parse_quantity(found, act.label) == parse_quantity(str(act.args[key]), act.label)


def _reported(act: Act, pod: JsonObject) -> list[JsonObject]:
    """Return what the kubelet says about the container, in a list that is empty if it says nothing."""
    return [one for one in objects_at(pod, "status", "containerStatuses") if _is_meant(act, one)]


def _is_applied(act: Act, pod: JsonObject) -> bool:
    if any(_is_pending(one) for one in objects_at(pod, "status", "conditions")):
        return False
    return any(_has(act, one, "limit") for one in _reported(act, pod))


def _is_pending(condition: JsonObject) -> bool:
    return condition.get("type") in _PENDING and condition.get("status") == "True"


def _runs_otherwise(act: Act, reported: JsonObject) -> bool:
    """Return whether a container runs with another limit; one that is about to start gets the limit of the spec."""
    stands = any(object_at(reported, "state", key) for key in ("waiting", "terminated"))
    known = value_at(reported, "resources", "limits", str(act.args["resource"])) is not None
    return known and not stands and not _has(act, reported, "limit")


def _with_limit(act: Act, container: JsonObject) -> JsonObject:
    resource, request = str(act.args["resource"]), act.args["request"]
    own = object_at(container, "resources")
    changed: JsonObject = {**own, "limits": {**object_at(own, "limits"), resource: act.args["limit"]}}
    if request:
        changed["requests"] = {**object_at(own, "requests"), resource: request}
    return {**container, "resources": changed}


def resize_patch(act: Act) -> JsonObject:
    """Return the patch of the pod that does the same, for people."""
    name: JsonObject = {"name": str(act.args["container"])}
    return {"spec": {"containers": [_with_limit(act, name)]}}
