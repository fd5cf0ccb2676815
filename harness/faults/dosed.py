"""The base of delays and aborts: Envoy does them to a share of the requests to a host, and flags those."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.counting import flagged
from harness.faults.port import Signals, Words, World, expressed
from harness.faults.values import only
from harness.model.declared import Arms, Declared, Scalar, Scope
from harness.model.hit import Hit
from harness.model.step import Step
from harness.model.units import format_percent
from harness.routing.port import Aim, RouteChange


@dataclass(frozen=True, slots=True, kw_only=True)
class DosedFault(ABC):
    """A fault that hits a share of the requests to ``host``.

    dose: the share of requests that are hit, in (0, 1]. caller: the workload whose calls are hit; None means the
    callers that the run chooses (the service under test). inbound: in the proxies of ``host`` itself, for every caller.
    flag: the response flag that Envoy gives to the requests that are hit. arms: ``canary`` for a positive control.
    """

    kind: ClassVar[str]
    flag: ClassVar[str]

    host: str
    dose: float
    caller: str | None = None
    inbound: bool = False
    arms: Arms = "both"

    def __str__(self) -> str:
        return self.words().text

    @property
    @abstractmethod
    def params(self) -> Mapping[str, Scalar]:
        """What the fault is called with, apart from the dose."""

    @property
    @abstractmethod
    def change(self) -> RouteChange:
        """What happens to the requests that are hit."""

    @abstractmethod
    def words(self) -> Words:
        """Return the texts for people."""

    def declared(self, fault_id: str) -> Declared:
        """Return what the fault does to a share of the requests."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            params=self.params,
            dose=self.dose,
            flag=self.flag,
            scope=Scope(caller=self.caller, side="host" if self.inbound else "caller"),
            arms=self.arms,
        )

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the routes to the host."""
        return expressed(world.routing.change(world.resources(), self.change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the requests that Envoy flagged."""
        return flagged(before, after, self.flag)

    def _words(self, value: str, effect: str) -> Words:
        """Return the texts for a value of the fault. effect: what happens to the requests."""
        dose = format_percent(self.dose)
        return Words(
            text=f"{self.kind}({self.host}, {value}, {dose}{', inbound' if self.inbound else ''}{only(self.arms)})",
            effect=f"{dose} of the requests to {self.host} {effect}",
        )
