"""What every mesh offers to the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from harness.model.json import Json
from harness.model.record import Rollback
from harness.routing.istio.edits import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where load is sent: a base URL, and headers each request needs (such as the Host)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """One row of the proxies' ``istio_requests_total``: labels and a running total.

    reporter: ``source`` for what callers' proxies counted, ``destination`` for the called side's, where it has any.
    """

    source_workload: str
    source_version: str
    destination_service: str
    destination_version: str
    response_code: str
    response_flags: str
    total: int
    reporter: str = "source"


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
    gateway: str
    """The Istio gateway that load comes through, as VirtualServices name it; ``mesh`` between sidecars."""

    def resources(self) -> tuple[Json, ...]:
        """The Istio resources as they are now, as dictionaries."""
        ...

    def changed(self, edits: Sequence[Edit], *, name: str) -> AbstractContextManager[LiveChange]:
        """Make the edits and prove them live in every affected proxy; undo them on leaving, and prove that too.

        The undo is journalled before the first edit is sent. Raises MeshError when the edits are
        not taken or not live in time, RollbackError when the world could not be put back.
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
