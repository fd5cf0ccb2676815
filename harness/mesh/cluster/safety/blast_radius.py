"""Find whom the faults of a plan would hit: which callers, and their part of all calls to the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.clients.kubernetes.types import Pod, labels_of
from harness.errors import ClusterError, MeshError
from harness.mesh.cluster.proof.proxies import Proxies
from harness.model.declared import Scope
from harness.model.step import Step
from harness.model.units import format_percent
from harness.routing.hosts import full_name


def reach(proxies: Proxies, steps: Sequence[Step], namespace: str) -> tuple[str, ...]:
    """Return a line for each host that gets a fault: the callers that are hit, and their part of the calls so far."""
    pods = proxies.pods()
    hit: dict[str, dict[str, Pod]] = {}
    for step in steps:
        fault = step.declared
        if fault is not None and fault.is_fault:
            concerned = {pod["metadata"]["name"]: pod for pod in pods if calls_from(pod, fault.scope, namespace)}
            hit.setdefault(full_name(fault.host, namespace), {}).update(concerned)
    return tuple(
        f"calls to {host} from {', '.join(_callers(concerned)) or 'nobody'}; {_share(proxies, pods, concerned, host)}"
        for host, concerned in hit.items()
    )


def calls_from(pod: Pod, scope: Scope, namespace: str) -> bool:
    """Return whether calls of a pod of ``namespace`` are in the scope of a fault."""
    labels = labels_of(pod["metadata"])
    return (scope.labels or {}).items() <= labels.items() and scope.namespace in (None, namespace)


def _callers(concerned: dict[str, Pod]) -> list[str]:
    counted: Counter[str] = Counter()
    for name, pod in concerned.items():
        labels = labels_of(pod["metadata"])
        counted[" ".join([labels.get("app", name), *filter(None, [labels.get("version")])])] += 1
    return [f"{caller} ({count} {'pod' if count == 1 else 'pods'})" for caller, count in sorted(counted.items())]


def _share(proxies: Proxies, pods: Sequence[Pod], concerned: dict[str, Pod], host: str) -> str:
    try:
        calls = {pod["metadata"]["name"]: proxies.calls(pod)[host] for pod in pods}
    except (ClusterError, MeshError) as error:
        return f"their part of all calls is not known: {error}"
    total, theirs = sum(calls.values()), sum(calls[name] for name in concerned)
    if not total:
        return "no call to it has been counted so far"
    return f"{format_percent(theirs / total)} of the {total} calls to it that were counted so far"
