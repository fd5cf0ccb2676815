"""Respect what protects pods: PodDisruptionBudgets, and autoscalers that would revert a change of replicas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import UsageError
from harness.model.json import JsonObject, text_at, texts_at, value_at
from harness.model.step import Action, Verb

_BUDGET, _AUTOSCALER = "PodDisruptionBudget", "HorizontalPodAutoscaler"


def require_allowed(kube: Kubernetes, namespace: str, actions: Sequence[Action]) -> None:
    """Raise UsageError if a PodDisruptionBudget does not allow the actions, or an autoscaler would revert one."""
    lost = [found for action in actions for found in _lost(kube, action)]
    for budget in kube.list(_BUDGET, namespace) if lost else ():
        selected = texts_at(budget, "spec", "selector", "matchLabels")
        count = sum(pods for labels, pods in lost if selected.items() <= labels.items())
        allowed = value_at(budget, "status", "disruptionsAllowed")
        if count > (allowed if isinstance(allowed, int) else 0):
            raise UsageError(
                f"{_BUDGET} {namespace}/{text_at(budget, 'metadata', 'name')}: allows {allowed or 0} of its pods to "
                f"leave now, but {_named(actions)} would take {count}: run more pods, or take fewer"
            )
    scaled = [action for action in actions if action.act.verb is Verb.SCALE and action.act.args["replicas"]]
    for autoscaler in kube.list(_AUTOSCALER, namespace) if scaled else ():
        for action in scaled:
            if text_at(autoscaler, "spec", "scaleTargetRef", "name", default="") == action.act.target.name:
                raise UsageError(
                    f"{action.label}: {_AUTOSCALER} {text_at(autoscaler, 'metadata', 'name')} would scale it back; "
                    "expected 0 replicas, at which it does nothing, or no autoscaler"
                )


def _named(actions: Iterable[Action]) -> str:
    return ", ".join(dict.fromkeys(action.label for action in actions))


def _lost(kube: Kubernetes, action: Action) -> Iterator[tuple[Mapping[str, str], int]]:
    """Yield the labels of the pods that the action takes away, and how many it takes."""
    target, args = action.act.target, action.act.args
    found = kube.get(target.kind, target.namespace, target.name)
    if found is None:
        return
    if action.act.verb in {Verb.EVICT, Verb.DELETE}:
        yield _labels(found), 1
    before, after = args.get("from"), args.get("replicas")
    if isinstance(before, int) and isinstance(after, int) and after < before:
        yield _labels(found, "spec", "template"), before - after


def _labels(resource: JsonObject, *path: str) -> Mapping[str, str]:
    return texts_at(resource, *path, "metadata", "labels")
