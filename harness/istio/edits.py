"""Edits of Istio resources, each with its surgical undo."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.record import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of one resource, as plain values so that it can be journalled before it is made.

    kind, namespace, name: the resource. owner: the run's mark, part of the name of all that is
    inserted. create: the whole resource where none was there, else None. insert: HTTP routes, each
    with the name of the route (or, if unnamed, the index) it stands before.
    """

    kind: str
    namespace: str
    name: str
    owner: str
    create: Json | None = None
    insert: tuple[tuple[str | int, Json], ...] = ()
