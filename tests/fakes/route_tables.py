"""A second routing API: RouteTables with rules, which knows aborts and no delays. It says nothing about connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.model.declared import SPLIT, Declared, Scope
from harness.model.object_kind import ObjectKind
from harness.model.step import Edit, Insertion
from harness.routing.edits import key, prefix
from harness.routing.port import (
    MESH,
    Aim,
    Change,
    Destination,
    Footprint,
    Governing,
    NotExpressible,
    RouteChange,
    Split,
)

TABLES = ObjectKind(name="RouteTable", group="routes.example.org", version="v1", plural="routetables")


def route_table(service: str) -> Any:
    """The RouteTable of a service, with one rule."""
    return {
        "apiVersion": TABLES.api_version,
        "kind": TABLES.name,
        "metadata": {"name": service, "namespace": "shop"},
        "spec": {"service": service, "rules": [{"to": [{"service": service}]}]},
    }


class RouteTables:
    """Implements ``harness.routing.port.RoutingApi``."""

    name = "route tables"
    kinds = (TABLES.name,)
    objects = (TABLES,)

    def governing(self, resources: Sequence[Any], *, host: str, namespace: str, gateway: str = MESH) -> Governing:
        """The RouteTable of the service."""
        found = [item for item in resources if item["kind"] == TABLES.name and item["spec"]["service"] == host]
        return Governing(route=found[0] if found else None, policy=None)

    def split(self, resources: Sequence[Any], split: Split) -> tuple[Edit, ...]:
        """A rule with weights before the first one."""
        canary, baseline = round(100 * split.canary_share), round(100 * (1 - split.canary_share))
        arms = [{"labels": dict(split.baseline), "weight": baseline}, {"labels": dict(split.canary), "weight": canary}]
        said = Declared(id="split", kind=SPLIT, host=split.host, text="split", scope=Scope(headers=split.test_headers))
        return (self._edit(resources, split.namespace, split.owner, said, {"to": arms}),)

    def change(self, resources: Sequence[Any], change: Change, aim: Aim) -> Edit | NotExpressible:
        """A rule that answers with a status; nothing else."""
        if not isinstance(change, RouteChange) or change.abort_status is None:
            return NotExpressible(why="a RouteTable has no field for it")
        rule = {"answer": change.abort_status}
        return self._edit(resources, aim.namespace, aim.owner, aim.declared, rule)

    def footprint(self, edit: Edit, resource: Any, *, namespace: str) -> Footprint:
        """No proxy shows RouteTables."""
        return Footprint()

    def destinations(self, resources: Sequence[Any], *, namespace: str) -> tuple[Destination, ...]:
        """Rules lead to pods by their labels."""
        return ()

    def _edit(self, resources: Sequence[Any], namespace: str, owner: str, said: Declared, rule: Any) -> Edit:
        table = self.governing(resources, host=said.host, namespace=namespace).route
        assert table is not None
        kind, _, name = key(table, namespace)
        first = Insertion(entry={"name": f"{prefix(owner)}{said.id}", **rule}, before=table["spec"]["rules"][0])
        return Edit(
            kind=kind,
            namespace=namespace,
            name=name,
            owner=owner,
            declared=said,
            list_at=("spec", "rules"),
            insert=(first,),
        )
