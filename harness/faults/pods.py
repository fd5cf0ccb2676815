"""The base of faults of pods: one action for each of some pods, which their controller replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import SharedCondition
from harness.faults.port import World
from harness.faults.processes import FAILED
from harness.faults.targets import ref, targets
from harness.model.declared import Scalar
from harness.model.json import JsonObject, objects_at, text_at, value_at
from harness.model.step import Act, Action, Step, Verb
from harness.routing.port import Aim

_HEALS_WITHIN_S = 300.0
"""How long the controller may take to replace the pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFault(SharedCondition):
    """A fault that takes ``pods`` pods of each version of ``host``. verb: how they go."""

    flags: ClassVar[tuple[str, ...]] = FAILED
    verb: ClassVar[Verb]

    pods: int

    @property
    def params(self) -> Mapping[str, Scalar]:
        """How many pods."""
        return {"pods": self.pods}

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an action for each pod, which heals by its controller."""
        found = targets(world, aim, "Pod")
        return tuple(
            Action(
                owner=aim.owner,
                declared=aim.declared,
                act=Act(verb=self.verb, target=ref(pod, "Pod", aim)),
                heals_within_s=_HEALS_WITHIN_S,
            )
            for pods in _by_version(filter(runs, found)).values()
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

    @property
    def seen(self) -> str:
        """The mesh saw the pods go."""
        return f"pods of {self.host} were replaced"


def runs(pod: JsonObject) -> bool:
    """Return whether the pod runs and is not about to end."""
    ending = value_at(pod, "metadata", "deletionTimestamp") is not None
    return not ending and text_at(pod, "status", "phase", default="") == "Running"


def _by_version(pods: Iterable[JsonObject]) -> Mapping[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = {}
    for pod in pods:
        found.setdefault(text_at(pod, "metadata", "labels", "version", default=""), []).append(pod)
    return found
