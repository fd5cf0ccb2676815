"""What every fault offers. A fault is one file: its value, its parser, its steps, its proof and its words.

``docs/writing-a-fault.md`` builds one from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from harness.errors import UsageError
from harness.model.counts import RequestCount
from harness.model.declared import Declared
from harness.model.hit import Hit
from harness.model.json import Json
from harness.model.step import Edit, Step
from harness.routing.port import Aim, NotExpressible, RoutingApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a person writes on the command line: ``harness inject KIND HOST VALUE --percent P --from CALLER --inbound``.

    percent, caller: None when not given.
    """

    host: str
    value: str
    percent: str | None = None
    caller: str | None = None
    inbound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How the command line explains a fault. value: the name of its value, such as TIME; help: what the fault does."""

    value: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A fault for people. text: what reports call it, such as ``delay(ratings, 2 s, 30 %)``. effect: a sentence."""

    text: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What proxies have counted of the calls of one caller to the fault's host, up to a moment.

    The proxies are those that carry the fault out. rows: counted by that moment. settled: counted when the last answer
    of the run had come; a request is counted when it ends, so one that was hit may be counted long after it was sent.
    """

    rows: tuple[RequestCount, ...] = ()
    settled: tuple[RequestCount, ...] = ()


class World(Protocol):
    """What a fault sees of a mesh. routing: the API that its requests are routed by."""

    @property
    def routing(self) -> RoutingApi:
        """The API that routes requests."""
        ...

    def resources(self, kind: str = "") -> tuple[Json, ...]:
        """The objects of a kind as they are now; by default those of the routing API."""
        ...


class Fault(Protocol):
    """A fault as a value. kind: its name, on the command line too. usage: how the command line explains it."""

    kind: ClassVar[str]
    usage: ClassVar[Usage]

    @classmethod
    def parse(cls, arguments: Arguments) -> Self:
        """The fault that the words of a command line mean. Raises UsageError for words that mean none."""
        ...

    def declared(self, fault_id: str) -> Declared:
        """What the fault does to requests. The run then puts the callers and headers that it chooses into the scope."""
        ...

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """The steps that inject the fault, each with ``aim.declared``.

        Raises UsageError where the mesh cannot express it, ResourceError where it would hit nothing or others.
        """
        ...

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Judge, for one caller, how many calls the fault hit between the moment it was live and its removal."""
        ...

    def words(self) -> Words:
        """The fault for people."""
        ...


def expressed(found: Edit | NotExpressible) -> tuple[Edit, ...]:
    """The edit as the steps of a fault. Raises UsageError where the routing API has no field for it."""
    if isinstance(found, NotExpressible):
        raise UsageError(found.why)
    return (found,)
