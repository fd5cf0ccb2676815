"""The port of faults. A fault is one file: its value, its parser, its steps, its proof and its words.

``docs/writing-a-fault.md`` builds one from scratch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from harness.errors import UsageError
from harness.model.counts import RequestCount
from harness.model.declared import Declared
from harness.model.hit import Hit
from harness.model.json import JsonObject
from harness.model.step import Edit, Step
from harness.routing.port import Aim, NotExpressible, RoutingApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The words of ``harness inject KIND HOST VALUE --percent P --from CALLER --inbound``.

    value: empty for a fault that takes none. percent, caller: None if not given.
    """

    host: str
    value: str
    percent: str | None = None
    caller: str | None = None
    inbound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How the command line and the documentation explain a fault.

    value: the name of its value, such as TIME; empty if it takes none. example: a value with options, as they follow
    the host. help: what the fault does. signal: what proves that it hit. needs: without which it hits nothing. undo:
    how it is reverted. meshes: the only targets that can inject it; empty if all can. closest: the fault that comes
    closest on the other ones, as it is written in scenarios, with HOST for the host.
    """

    value: str
    help: str
    example: str = ""
    signal: str = ""
    needs: str = ""
    undo: str = "the edit is reverted"
    meshes: tuple[str, ...] = ()
    closest: str = ""

    @property
    def where(self) -> str:
        """The targets that can inject it, for people."""
        return ", ".join(self.meshes) or "all"

    def can_use(self, target: str) -> bool:
        """Return whether this kind of fault exists for a target."""
        return not self.meshes or target in self.meshes


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of a fault.

    text: what reports call it, such as ``delay(ratings, 2 s, 30 %)``. effect: what it does, as a sentence.
    """

    text: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What proxies have counted of one caller's calls to the fault's host, up to a moment.

    The proxies are those that carry the fault out. rows: counted by that moment. settled: counted when the last answer
    of the run had arrived. A request is counted when it ends, so a request that was hit may be counted long after it
    was sent. waiting: how many calls had been sent and had no answer at that moment. limited: how often data of calls
    had to wait because of a bandwidth limit; cut_off: how many calls a proxy ended because they lasted too long. None
    if nothing counts that.
    """

    rows: tuple[RequestCount, ...] = ()
    settled: tuple[RequestCount, ...] = ()
    waiting: int = 0
    limited: int | None = None
    cut_off: int | None = None


class World(Protocol):
    """What a fault sees of a mesh."""

    @property
    def routing(self) -> RoutingApi:
        """The API that routes requests."""
        ...

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        """Return the objects of a kind as they are now; by default those of the routing API."""
        ...


class Fault(Protocol):
    """A fault as a value.

    kind: its name, also on the command line. usage: how the command line explains it.
    """

    kind: ClassVar[str]
    usage: ClassVar[Usage]

    @classmethod
    def parse(cls, arguments: Arguments) -> Self:
        """Return the fault that command line words describe. Raises UsageError for invalid ones."""
        ...

    def declared(self, fault_id: str) -> Declared:
        """Return what the fault does to requests.

        The run then adds the callers and headers that it chooses to the scope.
        """
        ...

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return the steps that inject the fault, each with ``aim.declared``.

        Raises UsageError if the mesh cannot express it, ResourceError if it would hit nothing or others.
        """
        ...

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Judge, for one caller, how many calls the fault hit between the moment it was live and its removal."""
        ...

    def words(self) -> Words:
        """Return the texts for people."""
        ...


def expressed(found: Edit | NotExpressible) -> tuple[Edit, ...]:
    """Return the edit as the steps of a fault. Raises UsageError if the routing API cannot express it."""
    if isinstance(found, NotExpressible):
        raise UsageError(found.why)
    return (found,)
