"""The base of faults without a dose: they set a condition that calls may or may not meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.counting import flagged
from harness.faults.port import Arguments, Signals, Words, World
from harness.model.declared import Arms, Declared, Scalar, Scope
from harness.model.hit import Hit, HitState
from harness.model.step import Step
from harness.routing.port import Aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(ABC):
    """A fault that some calls to ``host`` meet and others do not.

    caller: the workload whose calls may meet it; None means the callers that the run chooses. flags: the response flags
    that Envoy gives to the calls that met it. arms: ``canary`` for a positive control.
    """

    kind: ClassVar[str]
    flags: ClassVar[tuple[str, ...]] = ()

    host: str
    caller: str | None = None
    arms: Arms = "both"

    def __str__(self) -> str:
        return self.words().text

    @property
    def params(self) -> Mapping[str, Scalar]:
        """What the fault is called with."""
        return {}

    @property
    def scope(self) -> Scope:
        """Whose calls may meet the condition."""
        return Scope(caller=self.caller)

    @property
    @abstractmethod
    def unmet(self) -> str:
        """Why no call met the condition, for people: ``no call ...``."""

    @abstractmethod
    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return the steps that set the condition."""

    @abstractmethod
    def words(self) -> Words:
        """Return the texts for people."""

    def declared(self, fault_id: str) -> Declared:
        """Return a condition: nobody knows beforehand how many calls meet it."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            params=self.params,
            flag=self.flags[0] if self.flags else "",
            scope=self.scope,
            arms=self.arms,
        )

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls that Envoy flagged. If it flagged none, no call met the condition."""
        return self.met(flagged(before, after, *self.flags))

    def met(self, found: Hit) -> Hit:
        """Return the count, or that there was no occasion if no call was hit."""
        if found.hit or not found.requests:
            return found
        return Hit(state=HitState.NO_OCCASION, requests=found.requests, why=f"in force, but {self.unmet}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCondition(Condition):
    """A condition of what all callers share: the pods or the processes of ``host``."""

    @property
    def scope(self) -> Scope:
        """Every caller."""
        return Scope(every_caller=True)

    @property
    def seen(self) -> str:
        """What the mesh itself saw, so that no call has to fail; empty where only calls can tell."""
        return ""

    @property
    def unmet(self) -> str:
        """Why no call met the condition; not used where the mesh saw something."""
        return "no call failed"

    def met(self, found: Hit) -> Hit:
        """Return the calls that failed, or else what the mesh saw."""
        if found.hit or not found.requests or not self.seen:
            return Condition.met(self, found)
        return Hit(state=HitState.SEEN, requests=found.requests, why=self.seen)


def refuse_others(arguments: Arguments, kind: str, *allowed: str) -> None:
    """Raise UsageError for words of the command line that a fault does not use.

    allowed: which of ``value``, ``percent``, ``caller`` and ``inbound`` it uses.
    """
    why = {
        "value": "it takes none",
        "percent": "it holds for every request",
        "caller": "it holds for every caller",
        "inbound": "only the callers' proxies can do this",
    }
    for name, reason in why.items():
        found = getattr(arguments, name)
        if found and name not in allowed:
            raise UsageError(f"{kind}({arguments.host}): expected no {name}, found {found!r}: {reason}")


def whole_number(text: str | int, what: str, *, least: int = 1) -> int:
    """Return a count. Raises UsageError for anything but a whole number of at least ``least``."""
    number = int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else text
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number < 2**31:
        raise UsageError(f"{what}: expected a whole number of at least {least}, found {text!r}")
    return number
