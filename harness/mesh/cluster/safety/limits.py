"""Limits of what may be done to a cluster, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterError, MeshGuard, UsageError
from harness.model.cluster import REFUSED_NAMESPACES, ClusterSettings, Limits
from harness.model.json import Json
from harness.model.units import format_percent
from harness.routing.istio.edits import Edit, routes_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault in an edit. dose: in (0, 1]. narrow: whether it hits some callers or requests only."""

    where: str
    dose: float
    narrow: bool


_ROUTE = re.compile(r'#\d+|"[^"]*"')
KILL_SWITCH = "harness-kill-switch"


def require_meant(context: str, namespace: str, settings: ClusterSettings) -> None:
    """Refuse contexts and namespaces that are not meant for this, without asking anybody. Raises UsageError with the remedy."""
    if settings.contexts and context not in settings.contexts:
        raise UsageError(
            f"expected one of the contexts {', '.join(settings.contexts)}, found {context}; "
            "choose one with --context, or add it to cluster.contexts in harness.yaml"
        )
    if namespace in REFUSED_NAMESPACES:
        raise UsageError(f"namespace {namespace}: the cluster itself lives there; nothing is changed in it")


def require_cluster(kube: Kubernetes, namespace: str, settings: ClusterSettings) -> None:
    """Refuse contexts, clusters and namespaces that are not meant for this. Raises UsageError with the remedy."""
    require_meant(kube.context, namespace, settings)
    if settings.uid:
        found = kube.get("Namespace", None, "kube-system")
        uid = None if found is None else found["metadata"]["uid"]
        if uid != settings.uid:
            raise UsageError(
                f"expected the cluster {settings.uid} (uid of kube-system), found {uid}: this is another cluster"
            )
    _require_opt_in(kube, namespace, settings.opt_in)


def require_no_kill_switch(kube: Kubernetes, namespace: str) -> None:
    """Raise MeshGuard while somebody has engaged the kill switch."""
    found = kube.get("ConfigMap", namespace, KILL_SWITCH)
    if found is not None and (found.get("data") or {}).get("engaged") == "true":
        reason = (found.get("data") or {}).get("reason", "no reason given")
        raise MeshGuard(
            f"the kill switch is engaged ({reason}); when it is safe again: "
            f"kubectl delete configmap {KILL_SWITCH} -n {namespace}"
        )


def require_within(edits: Sequence[Edit], *, live: int, namespace: str, limits: Limits) -> None:
    """Refuse edits beyond the limits; ``live`` changes with faults are live already. Raises UsageError."""
    for edit in edits:
        if edit.namespace != namespace:
            raise UsageError(f"{edit.label}: expected a resource of namespace {namespace}; others are not edited")
    faulted = [found for edit in edits for found in faults_in(edit)]
    for fault in faulted:
        if fault.dose > limits.dose + 1e-9:
            raise UsageError(
                f"{fault.where} hits {format_percent(fault.dose)}; the ceiling is {format_percent(limits.dose)} (cluster.limits.dose)"
            )
        if not limits.every_caller and not fault.narrow:
            raise UsageError(
                f"{fault.where} would hit every caller; narrow it to a caller (--from) or to test traffic "
                "(cluster.only-test-traffic), or allow it with cluster.limits.every-caller: true"
            )
    if faulted and live + 1 > limits.faults:
        raise UsageError(f"expected at most {limits.faults} faults at once (cluster.limits.faults), found {live + 1}")


def new_warnings(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Warnings of a kind that a resource did not raise before our edit.

    They name routes by number or name, which our entries move: a clone of a dead route is as dead as the route.
    """
    old = {_ROUTE.sub("#", text) for text in before}
    return tuple(text for text in after if _ROUTE.sub("#", text) not in old)


def faults_in(edit: Edit) -> Iterator[Injected]:
    """The faults that an edit brings in."""
    for route in routes_in(edit):
        for part in (route.get("fault") or {}).values():
            yield Injected(
                where=f"{edit.label}: {route['name']}",
                dose=float((part.get("percentage") or {}).get("value", 0)) / 100,
                narrow=all(_narrow(block) for block in route.get("match") or [{}]),
            )
    if edit.kind == "EnvoyFilter" and edit.create is not None:
        for item in edit.create["spec"]["configPatches"]:
            config = item["patch"]["value"]["typed_config"]
            for part in (config[kind] for kind in ("delay", "abort") if kind in config):
                dose = part["percentage"]["numerator"] / 1e6
                yield Injected(where=edit.label, dose=dose, narrow=bool(config.get("headers")))


def _narrow(block: Json) -> bool:
    return bool(block.get("sourceLabels") or block.get("headers"))


def _require_opt_in(kube: Kubernetes, namespace: str, label: str) -> None:
    found = kube.get("Namespace", None, namespace)
    if found is None:
        raise ClusterError(f"expected the namespace {namespace}, found none in context {kube.context}")
    key, _, value = label.partition("=")
    if label and (found["metadata"].get("labels") or {}).get(key) != value:
        raise UsageError(
            f"namespace {namespace}: has not been opened for experiments; its owner does so with: "
            f"kubectl label namespace {namespace} {label}"
        )
