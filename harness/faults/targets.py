"""Find the objects that a fault acts on: the processes, pods or Deployments of its host."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import UsageError
from harness.faults.port import World
from harness.model.json import JsonObject, object_at, text_at
from harness.model.step import Ref
from harness.routing.port import Aim

_LABELS: Mapping[str, tuple[str, ...]] = {"Deployment": ("spec", "template", "metadata", "labels")}
"""Where the labels of an object's pods are, by its kind, if they are not its own."""


def targets(world: World, aim: Aim, kind: str) -> tuple[JsonObject, ...]:
    """Return the objects of a kind with the pod labels of the fault's host, by name. Raises UsageError without any."""
    wanted = aim.workload_labels or {"app": aim.declared.host.split(".", maxsplit=1)[0]}
    found = [
        item
        for item in world.resources(kind)
        if wanted.items() <= object_at(item, *_LABELS.get(kind, ("metadata", "labels"))).items()
    ]
    if not found:
        labels = ", ".join(f"{name}={value}" for name, value in wanted.items())
        raise UsageError(f"{aim.declared.text}: expected a {kind} with the labels {labels}, found none in this mesh")
    return tuple(sorted(found, key=lambda item: text_at(item, "metadata", "name")))


def ref(item: JsonObject, kind: str, aim: Aim) -> Ref:
    """Return the reference to exactly this object."""
    return Ref(
        kind=kind,
        namespace=text_at(item, "metadata", "namespace", default=aim.namespace),
        name=text_at(item, "metadata", "name"),
        uid=text_at(item, "metadata", "uid", default=""),
    )
