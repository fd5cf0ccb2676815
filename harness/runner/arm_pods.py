"""Find the pods behind each arm, which show whether the arms are two different things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.arm_pod import ArmPod
from harness.model.json import JsonObject, objects_at, text_at, texts_at

_SIDECAR = "istio-proxy"
_ENDED = ("Succeeded", "Failed")

ArmPods = Mapping[str, tuple[ArmPod, ...]]


def arm_pods(pods: Sequence[JsonObject], arms: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[ArmPod, ...]]:
    """Return the pods that the labels of each arm select; nothing where the mesh shows no pods.

    pods: of the namespace. arms: pod labels by arm. Pods that have ended do not count.
    """
    if not pods:
        return {}
    living = [pod for pod in pods if text_at(pod, "status", "phase", default="") not in _ENDED]
    return {
        arm: tuple(_arm_pod(pod) for pod in living if labels.items() <= texts_at(pod, "metadata", "labels").items())
        for arm, labels in arms.items()
    }


def all_seen(*looks: ArmPods) -> dict[str, tuple[ArmPod, ...]]:
    """Return the pods of each arm that any of several looks saw, each once."""
    arms = {arm for look in looks for arm in look}
    return {
        arm: tuple({pod.uid or pod.name: pod for look in looks for pod in look.get(arm, ())}.values())
        for arm in sorted(arms)
    }


def _arm_pod(pod: JsonObject) -> ArmPod:
    running = [one for one in objects_at(pod, "status", "containerStatuses") if one.get("name") != _SIDECAR]
    planned = [one for one in objects_at(pod, "spec", "containers") if one.get("name") != _SIDECAR]
    images = {text_at(one, "imageID", default="") or text_at(one, "image", default="") for one in running or planned}
    return ArmPod(
        name=text_at(pod, "metadata", "name"),
        uid=text_at(pod, "metadata", "uid", default=""),
        address=text_at(pod, "status", "podIP", default=""),
        template=texts_at(pod, "metadata", "labels").get("pod-template-hash", ""),
        images=tuple(sorted(images - {""})),
    )
