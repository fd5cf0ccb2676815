"""Whether anybody changed a resource while changes of ours were live in it."""

from __future__ import annotations

from harness.clients.kubernetes import Kubernetes
from harness.errors import MeshDrift
from harness.istio.edits import Edit, undone
from harness.model.record import Json


class Drift:
    """The resources under change, as they were after our last write."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str, str], Json | None] = {}

    def made(self, edit: Edit, *, before: Json | None, after: Json) -> None:
        """An edit was made on ``before``. Raises MeshDrift when that is not what our last edit left."""
        place = _place(edit)
        drifted = place in self._expected and _spec(before) != _spec(self._expected[place])
        self._expected[place] = after
        if drifted:
            raise MeshDrift(_message(edit.label))

    def undone(self, edit: Edit, *, last: bool) -> None:
        """An edit was undone; ``last`` when no other one of ours is in the resource."""
        place = _place(edit)
        if place in self._expected:
            self._expected[place] = undone(edit, self._expected[place])
        if last:
            self._expected.pop(place, None)

    def check(self, kube: Kubernetes) -> None:
        """Raise MeshDrift when a resource is not as we left it: what was measured since may be of another route."""
        for (kind, namespace, name), expected in self._expected.items():
            if _spec(kube.get(kind, namespace, name)) != _spec(expected):
                raise MeshDrift(_message(f"{kind} {namespace}/{name}"))


def _message(what: str) -> str:
    return (
        f"{what}: somebody changed it while our change was live (drift): what was measured is not valid; "
        "see who with kubectl get -o yaml --show-managed-fields, and end or allow that writer (cluster.owners)"
    )


def _place(edit: Edit) -> tuple[str, str, str]:
    return edit.kind, edit.namespace, edit.name


def _spec(resource: Json | None) -> Json | None:
    return None if resource is None else resource.get("spec")
