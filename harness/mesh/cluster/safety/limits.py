"""Check the limits of what may be done to a cluster, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import as_config_map, labels_of, metadata_of
from harness.errors import ClusterError, ClusterForbidden, MeshGuard, UsageError
from harness.model.cluster import REFUSED_NAMESPACES, ClusterSettings, Limits
from harness.model.declared import Declared
from harness.model.json import JsonObject
from harness.model.step import Edit, Step, require_declared
from harness.model.units import format_percent

_ROUTE = re.compile(r'#\d+|"[^"]*"')
KILL_SWITCH = "harness-kill-switch"


def require_meant(context: str, namespace: str, settings: ClusterSettings) -> None:
    """Reject contexts and namespaces that must not be used, without asking the server.

    Raises UsageError with the remedy.
    """
    if settings.contexts and context not in settings.contexts:
        raise UsageError(
            f"expected one of the contexts {', '.join(settings.contexts)}, found {context}; "
            "choose one with cluster.context in harness.yaml (commands: --context), or add it to cluster.contexts"
        )
    if namespace in REFUSED_NAMESPACES:
        raise UsageError(f"namespace {namespace}: the cluster itself lives there; it must not be changed")


def require_cluster(kube: Kubernetes, namespace: str, settings: ClusterSettings) -> None:
    """Reject contexts, clusters and namespaces that must not be used. Raises UsageError with the remedy."""
    require_meant(kube.context, namespace, settings)
    if settings.uid:
        found = kube.get("Namespace", None, "kube-system")
        uid = None if found is None else metadata_of(found).get("uid")
        if uid != settings.uid:
            raise UsageError(
                f"expected the cluster {settings.uid} (uid of kube-system), found {uid}: this is another cluster"
            )
    _require_opt_in(kube, namespace, settings.opt_in)


def require_namespace(kube: Kubernetes, namespace: str) -> None:
    """Raise ClusterError if the namespace does not exist: the server would answer that it contains nothing.

    Who may not read the namespace, and nothing else in it, is refused by the server, which then says so itself.
    """
    with suppress(ClusterForbidden):
        _namespace(kube, namespace)


def _namespace(kube: Kubernetes, namespace: str) -> JsonObject:
    found = kube.get("Namespace", None, namespace)
    if found is None:
        raise ClusterError(
            f"expected the namespace {namespace}, found none in context {kube.context}; "
            f"see {kube.commands.kubectl('get namespaces')}"
        )
    return found


def require_no_kill_switch(kube: Kubernetes, namespace: str) -> None:
    """Raise MeshGuard while the kill switch is engaged."""
    found = kube.get("ConfigMap", namespace, KILL_SWITCH)
    data = {} if found is None else as_config_map(found).get("data") or {}
    if data.get("engaged") == "true":
        reason = data.get("reason", "no reason given")
        raise MeshGuard(
            f"the kill switch is engaged ({reason}); when it is safe again: "
            + kube.commands.kubectl(f"delete configmap {KILL_SWITCH}", namespace)
        )


def require_allowed(faults: Sequence[Declared], settings: ClusterSettings) -> None:
    """Reject faults that are to be live at the same time, before a run chooses their callers. Raises UsageError."""
    for fault in faults:
        _require_dose(fault.text, fault, settings.limits)
        if fault.scope.every_caller:
            _require_narrow(fault.text, fault, settings.limits, only_test_traffic=settings.only_test_traffic)
    _require_budget(faults, settings.limits)


def require_within(steps: Sequence[Step], *, live: Iterable[Declared], namespace: str, limits: Limits) -> None:
    """Reject steps beyond the limits, by what they declare.

    live: the faults that are live already. Raises UsageError, also for a step that declares nothing.
    """
    faults = [(step.label, said) for step in steps if (said := require_declared(step)).is_fault]
    for step in steps:
        found = step.namespace if isinstance(step, Edit) else step.act.target.namespace
        if found != namespace:
            raise UsageError(f"{step.label}: expected a resource of namespace {namespace}; others are not changed")
    for where, fault in faults:
        _require_dose(f"{where}: {fault.text}", fault, limits)
        only_test_traffic = bool(fault.scope.headers)
        _require_narrow(f"{where}: {fault.text}", fault, limits, only_test_traffic=only_test_traffic)
    if faults:
        at_once = {fault.id: fault for fault in (*live, *(fault for _, fault in faults))}
        _require_budget(list(at_once.values()), limits)


def _require_budget(at_once: Sequence[Declared], limits: Limits) -> None:
    """Reject too many faults, and doses that are too much together."""
    if len(at_once) > limits.faults:
        raise UsageError(
            f"expected at most {limits.faults} faults at once (cluster.limits.faults), found {len(at_once)}"
        )
    total = sum(fault.worst_dose for fault in at_once)
    if total > limits.total_dose + 1e-9:
        raise UsageError(
            f"expected doses of at most {limits.total_dose:g} together (cluster.limits.total-dose), found {total:g}: "
            f"{', '.join(fault.text for fault in at_once)}"
        )


def faults_of(steps: Iterable[Step]) -> list[Declared]:
    """Return the faults that some steps declare."""
    return [step.declared for step in steps if step.declared is not None and step.declared.is_fault]


def _require_dose(what: str, fault: Declared, limits: Limits) -> None:
    if fault.worst_dose > limits.dose + 1e-9:
        hits = "hits" if fault.dose is not None else "is a condition, which may hit"
        raise UsageError(
            f"{what} {hits} {format_percent(fault.worst_dose)} of the requests; "
            f"the ceiling is {format_percent(limits.dose)} (cluster.limits.dose)"
        )


def _require_narrow(what: str, fault: Declared, limits: Limits, *, only_test_traffic: bool) -> None:
    if fault.scope.every_caller and only_test_traffic:
        raise UsageError(
            f"{what} hits every caller and cannot spare the requests of users: expected a fault that can be narrowed "
            "to test traffic, because cluster.only-test-traffic is set"
        )
    if not limits.every_caller and fault.scope.every_caller:
        raise UsageError(f"{what} hits every caller: allow it with cluster.limits.every-caller: true")
    if not limits.every_caller and not fault.scope.narrow:
        raise UsageError(
            f"{what} would hit every caller; narrow it to a caller (caller=, or --from of "
            "harness inject) or to test traffic (cluster.only-test-traffic), or allow it with "
            "cluster.limits.every-caller: true"
        )


def new_warnings(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Return the warnings of kinds that a resource did not cause before our edit.

    Warnings contain numbers or names of routes, which our entries shift: a clone of an unreachable route is unreachable
    too.
    """
    old = {_ROUTE.sub("#", text) for text in before}
    return tuple(text for text in after if _ROUTE.sub("#", text) not in old)


def _require_opt_in(kube: Kubernetes, namespace: str, label: str) -> None:
    found = _namespace(kube, namespace)
    key, _, value = label.partition("=")
    if label and labels_of(metadata_of(found)).get(key) != value:
        raise UsageError(
            f"namespace {namespace}: is not open for experiments; its owner can open it with: "
            + kube.commands.kubectl(f"label namespace {namespace} {label}")
        )
