"""Timeout: an answer that takes too long is cut off, and the caller gets a 504."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.counting import flagged
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name
from harness.model.declared import Declared, Scope
from harness.model.hit import Hit, HitState
from harness.model.step import Step
from harness.model.units import format_duration, parse_duration
from harness.routing.port import Aim, RouteChange

_FLAG = "UT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """The caller's proxy cuts off answers of ``host`` that take longer than ``after_s`` seconds, retries included.

    caller: the workload whose calls are cut off; None means the callers that the run chooses.
    """

    kind: ClassVar[str] = "timeout"
    usage: ClassVar[Usage] = Usage(
        value="TIME",
        example="500ms --from reviews",
        help="answers that take longer are cut off, and the caller gets a 504",
        signal="response flag UT",
        needs="answers that take longer",
    )

    host: str
    after_s: float
    caller: str | None = None

    def __str__(self) -> str:
        return self.words().text

    @classmethod
    def parse(cls, arguments: Arguments) -> Timeout:
        """``HOST TIME``, with a caller; a timeout is a condition, so it takes no percentage."""
        what = f"timeout({arguments.host})"
        if arguments.percent is not None:
            raise UsageError(f"{what}: expected no percentage, found {arguments.percent}: it holds for every request")
        if arguments.inbound:
            raise UsageError(f"{what}: only the caller's proxy can cut a request off: leave inbound out")
        return timeout(arguments.host, arguments.value, caller=arguments.caller)

    def declared(self, fault_id: str) -> Declared:
        """Return a condition: nobody knows beforehand how many requests take longer."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            params={"after_s": self.after_s},
            flag=_FLAG,
            scope=Scope(caller=self.caller),
        )

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the routes to the host."""
        return expressed(world.routing.change(world.resources(), RouteChange(timeout_s=self.after_s), aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Envoy flags the requests that it cut off. If it cut off none, no answer took that long."""
        found = flagged(before, after, _FLAG)
        if found.hit or not found.requests:
            return found
        why = f"in force, but no call took longer than {format_duration(self.after_s)}"
        return Hit(state=HitState.NO_OCCASION, requests=found.requests, why=why)

    def words(self) -> Words:
        """``timeout(ratings, 500 ms)``."""
        after = format_duration(self.after_s)
        return Words(
            text=f"timeout({self.host}, {after})",
            effect=f"requests to {self.host} that take longer than {after} are cut off",
        )


def timeout(host: str, after: str | float, *, caller: str | None = None) -> Timeout:
    """Cut off requests to ``host`` that take longer than ``after`` ("500ms", "2s" or seconds).

    A route that already has a shorter timeout is an error. Raises UsageError for an empty host or a duration under 1 ms
    (Istio's resolution).
    """
    seconds = parse_duration(after, f"timeout({host})")
    if seconds < 1e-3:
        raise UsageError(f"timeout({host}): expected a duration of at least 1ms, found {after!r}")
    return Timeout(host=host_name(host), after_s=seconds, caller=caller)
