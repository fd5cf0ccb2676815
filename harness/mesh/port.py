"""The port of meshes: the members that every mesh offers to the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.model.bodies import DependencyBody
from harness.model.counts import RequestCount
from harness.model.hops import HopTotal
from harness.model.json import JsonObject
from harness.model.record import Rollback
from harness.model.server_side import ServerSide
from harness.model.spans import Span
from harness.model.step import Step
from harness.routing.port import RoutingApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where load is sent: a base URL, and headers that each request needs, such as Host.

    ca_file: the authorities to trust there and nowhere else; None for the usual ones.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None


class LiveChange(Protocol):
    """A change of the mesh that is live. ``rollback`` is None until it has been reverted.

    proof: how it was seen to be in force, and what could not be seen.
    """

    rollback: Rollback | None
    proof: str

    def undo(self) -> None:
        """Revert it now, from any thread. Raises nothing; leaving the block raises what went wrong."""
        ...


@runtime_checkable
class CountsHops(Protocol):
    """A mesh whose proxies tell what each workload calls."""

    def hop_totals(self) -> tuple[HopTotal, ...]:
        """Return what the proxies have counted of each hop since they started."""
        ...


@runtime_checkable
class TracesRequests(Protocol):
    """A mesh whose proxies export spans of sampled requests."""

    def spans(self) -> tuple[Span, ...]:
        """Return the spans so far. The version of the workload that did the work is the attribute ``version``."""
        ...


@runtime_checkable
class RecordsBodies(Protocol):
    """A mesh whose proxies record what services answer, as far as the configuration asks for it."""

    def dependency_bodies(self) -> tuple[DependencyBody, ...]:
        """Return the bodies of answers to traced requests since the proxies started, without secrets."""
        ...


@runtime_checkable
class CopiesLogs(Protocol):
    """A mesh whose services do not write their logs into the folder of the run themselves."""

    def copy_logs(self) -> None:
        """Write what the canary has logged since the mesh was opened to that folder.

        Raises MeshError, with what is missing, if it cannot be read.
        """
        ...


@runtime_checkable
class SharesCpu(Protocol):
    """A mesh on this machine, whose processes may have to wait for a CPU."""

    def raise_priorities(self) -> None:
        """Let the processes of the mesh go before others, where the system allows it."""
        ...

    def cpu_waits_s(self) -> Mapping[str, float]:
        """Return for how many seconds each workload's process, and the proxies, have waited for a CPU so far.

        Processes of which the system tells nothing are left out.
        """
        ...


@runtime_checkable
class Warns(Protocol):
    """A mesh that serves resources otherwise than a cluster would, and says so."""

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each setting that is left out or translated, or that is hardly intended."""
        ...


@runtime_checkable
class ServesMetrics(Protocol):
    """A mesh that measures its server side itself."""

    def watch_metrics(self) -> None:
        """Start to measure, unless that has been done. Raises MetricsError if that fails."""
        ...

    def server_side(self) -> ServerSide | None:
        """Return where the metrics can be read; None if nothing has been measured."""
        ...


class Mesh(Protocol):
    """Routing and faults of a running mesh, which is also the world that faults see."""

    target: str
    routing: RoutingApi
    gateway: str
    """The Istio gateway that load comes through, as VirtualServices name it; ``mesh`` between sidecars."""

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind as they are now; by default those of the routing API."""
        ...

    def changed(self, steps: Sequence[Step], *, name: str) -> AbstractContextManager[LiveChange]:
        """Carry out the steps and prove them in every affected proxy; on exit, revert them and prove that too.

        The undo is journalled before the first step. Raises UsageError for a step that declares nothing or that this
        mesh does not know, MeshError if the steps are not accepted or not in force in time, and RollbackError if the
        undo failed.
        """
        ...

    def entry(self) -> Entry:
        """Return where load for the service under test is sent."""
        ...

    def request_counts(self) -> tuple[RequestCount, ...]:
        """Return what the proxies have counted since they started."""
        ...

    def check(self) -> None:
        """Raise the error that explains why the run must end: a part of the mesh died or drifted, or a limit was hit.

        It is called from another thread than the one that makes changes.
        """
        ...
