"""Detect that somebody else changed a resource while our changes were live in it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.commands import Commands
from harness.errors import MeshDrift
from harness.model.json import JsonObject, JsonValue, objects_at, text_at
from harness.model.step import Edit
from harness.routing.edits import undone


class Drift:
    """Remembers the resources that we changed, as they were after our last write."""

    def __init__(self, commands: Commands) -> None:
        """commands: for messages."""
        self._commands = commands
        self._expected: dict[tuple[str, str, str], JsonObject | None] = {}
        self._moving: set[tuple[str, str, str]] = set()

    def made(self, edit: Edit, *, before: JsonObject | None, after: JsonObject) -> None:
        """Record an edit that was made on ``before``. Raises MeshDrift if that is not what our last edit left."""
        place = _place(edit)
        drifted = place in self._expected and _spec(before) != _spec(self._expected[place])
        self._expected[place] = after
        if drifted:
            raise MeshDrift(self._message(edit.label, place))

    def leave(self, edits: Sequence[Edit]) -> None:
        """Record that the edits are about to be undone; until they are, their resources may be in either state."""
        self._moving |= {_place(edit) for edit in edits}

    def undone(self, edits: Sequence[Edit], *, others: Sequence[Edit]) -> None:
        """Record that the edits are undone. others: our edits that are still in some resource."""
        kept = {_place(edit) for edit in others}
        for edit in edits:
            place = _place(edit)
            self._moving.discard(place)
            if place not in kept:
                self._expected.pop(place, None)
            elif place in self._expected:
                self._expected[place] = undone(edit, self._expected[place])

    def check(self, kube: Kubernetes) -> None:
        """Raise MeshDrift if a resource is not as we left it: measurements since then may belong to another route."""
        for (kind, namespace, name), expected in self._expected.items():
            place = (kind, namespace, name)
            if place not in self._moving and _spec(found := kube.get(*place)) != _spec(expected):
                raise MeshDrift(self._message(f"{kind} {namespace}/{name}", place, how=_how(expected, found)))

    def _message(self, what: str, place: tuple[str, str, str], *, how: str = "changed it") -> str:
        kind, namespace, name = place
        look = self._commands.kubectl(f"get {kind.lower()} {name} -o yaml --show-managed-fields", namespace)
        return (
            f"{what}: somebody {how} while our change was live (drift): the measurements are not valid; "
            f"see who with {look}, and end or allow that writer (cluster.owners)"
        )


def _how(expected: JsonObject | None, found: JsonObject | None) -> str:
    """Return what somebody did: the drift that takes a route or the whole resource away ends a split or a fault."""
    if found is None:
        return "deleted it"
    lost = sorted(_routes(expected) - _routes(found))
    return f"removed or renamed its route {', '.join(lost)}" if lost else "changed it"


def _routes(resource: JsonObject | None) -> set[str]:
    routes = () if resource is None else objects_at(resource, "spec", "http")
    return {text_at(route, "name", default="") for route in routes} - {""}


def _place(edit: Edit) -> tuple[str, str, str]:
    return edit.kind, edit.namespace, edit.name


def _spec(resource: JsonObject | None) -> JsonValue:
    return None if resource is None else resource.get("spec")
