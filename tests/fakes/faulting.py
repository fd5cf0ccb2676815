"""The steps of faults as a run makes them, aimed by hand, for tests that need no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.faults.port import Fault
from harness.model.declared import Declared, Scope
from harness.model.step import Edit
from harness.routing.edits import applied_all
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Aim, RoutingApi


@dataclass(frozen=True)
class SeenWorld:
    """A world with these resources, these objects of other kinds, and nothing else."""

    seen: Sequence[Any]
    routing: RoutingApi = field(default_factory=IstioRouting)
    others: Sequence[Any] = ()

    def resources(self, kind: str = "") -> tuple[Any, ...]:
        """The resources, or the objects of another kind."""
        return tuple(one for one in self.others if one["kind"] == kind) if kind else tuple(self.seen)


def declared(fault: Fault, fault_id: str, scope: Scope | None = None) -> Declared:
    """What a fault declares under an id, for some callers."""
    said = fault.declared(fault_id)
    return said if scope is None else replace(said, scope=scope)


def fault_edits(
    fault: Fault,
    resources: Sequence[Any],
    *,
    namespace: str,
    caller_labels: Mapping[str, str] | None,
    owner: str,
    index: int,
    caller_namespace: str | None = None,
    test_headers: Mapping[str, Any] | None = None,
    workload_labels: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """The edits that inject a fault into resources for callers with these labels (None: every caller)."""
    said = fault.declared(f"{fault.kind}-{index}")
    labels = None if said.scope.side == "host" else caller_labels
    scope = replace(said.scope, labels=labels, namespace=caller_namespace, headers=test_headers)
    aim = Aim(
        declared=replace(said, scope=scope),
        namespace=namespace,
        owner=owner,
        index=index,
        workload_labels=workload_labels or {},
    )
    steps = fault.steps(SeenWorld(resources), aim)
    return tuple(step for step in steps if isinstance(step, Edit))


def faults_edits(
    faults: Sequence[Fault], resources: Sequence[Any], *, namespace: str, callers: Sequence[Any], owner: str
) -> tuple[Edit, ...]:
    """The edits of several faults at once, each on top of the ones before it."""
    edits: tuple[Edit, ...] = ()
    current = tuple(resources)
    for index, (fault, labels) in enumerate(zip(faults, callers, strict=True)):
        given = {"namespace": namespace, "caller_labels": labels, "owner": owner, "index": index}
        more = fault_edits(fault, current, **given)
        current = applied_all(more, current, namespace=namespace)
        edits = (*edits, *more)
    return edits
