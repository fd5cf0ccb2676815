"""What every mesh offers to the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from harness.model.counts import RequestCount
from harness.model.json import Json
from harness.model.record import Rollback
from harness.model.step import Step
from harness.routing.port import RoutingApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where load is sent: a base URL, and headers each request needs (such as the Host)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class LiveChange(Protocol):
    """A change of the mesh that is live. ``rollback`` is None until it has been undone.

    proof: how it was seen to be live, and what could not be seen.
    """

    rollback: Rollback | None
    proof: str

    def undo(self) -> None:
        """Undo it now, from any thread; leaving then only raises what went wrong. Raises nothing itself."""
        ...


class Mesh(Protocol):
    """Routing and faults of a running mesh, spoken in Istio resources."""

    target: str
    routing: RoutingApi
    gateway: str
    """The Istio gateway that load comes through, as VirtualServices name it; ``mesh`` between sidecars."""

    def resources(self, kind: str = "") -> tuple[Json, ...]:
        """The objects of a kind as they are now; by default those of the routing API."""
        ...

    def changed(self, steps: Sequence[Step], *, name: str) -> AbstractContextManager[LiveChange]:
        """Carry out the steps and prove them in every affected proxy; revert them on leaving, and prove that too.

        The undo is journalled before the first step is carried out. Raises UsageError for a step that declares
        nothing or that this mesh does not know, MeshError when the steps are not taken or not in force in time, and
        RollbackError when the world could not be put back.
        """
        ...

    def entry(self) -> Entry:
        """Where load for the service under test goes."""
        ...

    def request_counts(self) -> tuple[RequestCount, ...]:
        """What the proxies have counted since they started."""
        ...

    def check(self) -> None:
        """Raise the error that explains it when a part of the mesh has died or drifted, or a limit is reached.

        Called from another thread than the one that makes changes.
        """
        ...
