"""Partition: a NetworkPolicy cuts the pods of a service off, so that callers cannot connect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import Condition, refuse_others
from harness.faults.port import Arguments, Usage, Words, World
from harness.faults.processes import FAILED
from harness.faults.targets import targets
from harness.faults.values import host_name
from harness.model.declared import Scope
from harness.model.json import JsonObject, object_at, text_at, texts_at
from harness.model.step import Edit, Step
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.port import Aim

_POLICY = "NetworkPolicy"
_STILL_OPEN = (15020, 15021, 15090)
"""The sidecar's ports for probes and metrics: a pod that fails its probes would be restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Condition):
    """Nobody can connect to the pods of ``host``."""

    kind: ClassVar[str] = "partition"
    flags: ClassVar[tuple[str, ...]] = FAILED
    usage: ClassVar[Usage] = Usage(
        value="",
        help="nobody can connect to its pods",
        signal="response flag UF, UC, UR, UH, LR or URX",
        needs="a network that enforces NetworkPolicies, and no other one for these pods; cluster.limits.every-caller",
        undo="the NetworkPolicy is deleted",
        meshes=("cluster",),
        closest='kill("HOST")',
    )

    @classmethod
    def parse(cls, arguments: Arguments) -> Partition:
        """``HOST``."""
        refuse_others(arguments, cls.kind)
        return partition(arguments.host)

    @property
    def scope(self) -> Scope:
        """Every caller: no caller can connect."""
        return Scope(every_caller=True)

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "every call used a connection that was there before, or the cluster's network ignores NetworkPolicies"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an object of its own. Policies only add permissions, so there must be no other one for these pods."""
        pods = targets(world, aim, "Pod")
        labels = [object_at(pod, "metadata", "labels") for pod in pods]
        for policy in world.resources(_POLICY):
            selected = texts_at(policy, "spec", "podSelector", "matchLabels")
            if any(selected.items() <= own.items() for own in labels):
                raise UsageError(
                    f"{aim.declared.text}: expected no NetworkPolicy for the pods of {self.host}, found "
                    f"{text_at(policy, 'metadata', 'name')}: what it allows cannot be forbidden by another one"
                )
        return (_edit(aim),)

    def words(self) -> Words:
        """``partition(ratings)``."""
        return Words(text=f"{self.kind}({self.host})", effect=f"nobody can connect to the pods of {self.host}")


def partition(host: str) -> Partition:
    """Cut the pods of ``host`` off by a NetworkPolicy, except for probes and metrics. Cluster only.

    It hits the calls that need a new connection; whether connections that are there go on depends on the network. On
    the local mesh, ``kill`` comes closest. Raises UsageError for an empty host.
    """
    return Partition(host=host_name(host))


def _edit(aim: Aim) -> Edit:
    short = aim.declared.host.split(".", maxsplit=1)[0]
    name, labels = f"{prefix(aim.owner)}fault-{aim.index}", dict(aim.workload_labels) or {"app": short}
    spec: JsonObject = {
        "podSelector": {"matchLabels": {**labels}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"protocol": "TCP", "port": port} for port in _STILL_OPEN]}],
    }
    resource: JsonObject = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": _POLICY,
        "metadata": {
            "name": name,
            "namespace": aim.namespace,
            "labels": {**MANAGED_BY, OWNER_LABEL: aim.owner, HOST_LABEL: short},
        },
        "spec": spec,
    }
    return Edit(
        kind=_POLICY, namespace=aim.namespace, name=name, owner=aim.owner, create=resource, declared=aim.declared
    )
