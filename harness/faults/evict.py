"""Evict: pods of a service leave in good order, as when a node is drained, and new ones take their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import Condition, refuse_others, whole_number
from harness.faults.port import Arguments, Usage, Words, World
from harness.faults.processes import FAILED
from harness.faults.targets import ref, targets
from harness.faults.values import host_name
from harness.model.declared import Scalar, Scope
from harness.model.hit import Hit, HitState
from harness.model.json import JsonObject, objects_at, text_at, value_at
from harness.model.step import Act, Action, Step, Verb
from harness.routing.port import Aim

_HEALS_WITHIN_S = 300.0
"""How long the controller may take to replace the pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(Condition):
    """``pods`` pods of each version of ``host`` are evicted; PodDisruptionBudgets are respected."""

    kind: ClassVar[str] = "evict"
    flags: ClassVar[tuple[str, ...]] = FAILED
    usage: ClassVar[Usage] = Usage(
        value="PODS",
        help="so many of its pods of each version are evicted",
        signal="the uid of each pod is gone",
        needs="pods with a controller; a PodDisruptionBudget that allows it; cluster.limits.every-caller",
        undo="the controller replaces the pods; the run waits for that",
        meshes=("cluster",),
    )

    pods: int

    @classmethod
    def parse(cls, arguments: Arguments) -> Evict:
        """``HOST PODS``."""
        refuse_others(arguments, cls.kind, "value")
        return evict(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """How many pods."""
        return {"pods": self.pods}

    @property
    def scope(self) -> Scope:
        """Every caller: they share the pods."""
        return Scope(every_caller=True)

    @property
    def unmet(self) -> str:
        """Not needed: see ``met``."""
        return "no call failed"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an action for each pod, which heals by its controller."""
        found = targets(world, aim, "Pod", instead="on the local mesh, restart(host) comes closest")
        return tuple(
            Action(
                owner=aim.owner,
                declared=aim.declared,
                act=Act(verb=Verb.EVICT, target=ref(pod, "Pod", aim)),
                heals_within_s=_HEALS_WITHIN_S,
            )
            for pods in _by_version(filter(_runs, found)).values()
            for pod in self._chosen(pods, aim)
        )

    def _chosen(self, pods: list[JsonObject], aim: Aim) -> list[JsonObject]:
        for pod in pods[: self.pods]:
            if not objects_at(pod, "metadata", "ownerReferences"):
                raise UsageError(
                    f"{aim.declared.text}: expected pods with a controller, which replaces them; "
                    f"{text_at(pod, 'metadata', 'name')} has none and would be lost"
                )
        if len(pods) < self.pods:
            raise UsageError(f"{aim.declared.text}: expected {self.pods} pods of each version, found {len(pods)}")
        return pods[: self.pods]

    def met(self, found: Hit) -> Hit:
        """Return the calls that failed; the mesh saw the pods go, so there need not be any."""
        if found.hit or not found.requests:
            return found
        return Hit(state=HitState.SEEN, requests=found.requests, why=f"pods of {self.host} were replaced")

    def words(self) -> Words:
        """``evict(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.pods})",
            effect=f"{self.pods} {'pod' if self.pods == 1 else 'pods'} of each version of {self.host} are evicted",
        )


def evict(host: str, pods: int = 1) -> Evict:
    """Evict ``pods`` pods of each version of ``host``, as when a node is drained. Cluster only.

    A PodDisruptionBudget that does not allow it prevents the run. The fault phase begins when the pods are gone; the
    undo waits until new ones are ready. Raises UsageError for an empty host or for less than 1 pod.
    """
    return Evict(host=host_name(host), pods=whole_number(pods, f"evict({host})"))


def _runs(pod: JsonObject) -> bool:
    ending = value_at(pod, "metadata", "deletionTimestamp") is not None
    return not ending and text_at(pod, "status", "phase", default="") == "Running"


def _by_version(pods: filter[JsonObject]) -> Mapping[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = {}
    for pod in pods:
        found.setdefault(text_at(pod, "metadata", "labels", "version", default=""), []).append(pod)
    return found
