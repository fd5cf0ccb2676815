"""Delay: requests wait in a proxy before they are sent on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.counting import flagged
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, share
from harness.model.declared import Declared, Scope
from harness.model.hit import Hit
from harness.model.step import Step
from harness.model.units import format_duration, format_percent, parse_duration
from harness.routing.port import Aim, RouteChange

_FLAG = "DI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Requests to ``host`` wait ``duration_s`` seconds before they are sent on.

    dose: the share of requests that wait, in (0, 1]. caller: the workload whose calls wait; None means the callers
    that the run chooses (the service under test). inbound: in the proxies of ``host`` itself, for every caller.
    """

    kind: ClassVar[str] = "delay"
    usage: ClassVar[Usage] = Usage(value="TIME", help="requests wait so long before they are sent on")

    host: str
    duration_s: float
    dose: float
    caller: str | None = None
    inbound: bool = False

    def __str__(self) -> str:
        return self.words().text

    @classmethod
    def parse(cls, arguments: Arguments) -> Delay:
        """``HOST TIME``, with a percentage, a caller, or in the host's own proxies."""
        percent = 100 if arguments.percent is None else arguments.percent
        return delay(
            arguments.host, arguments.value, percent=percent, caller=arguments.caller, inbound=arguments.inbound
        )

    def declared(self, fault_id: str) -> Declared:
        """A share of the requests waits."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            params={"duration_s": self.duration_s},
            dose=self.dose,
            flag=_FLAG,
            scope=Scope(caller=self.caller, side="host" if self.inbound else "caller"),
        )

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """One change of the routes to the host."""
        change = RouteChange(delay_s=self.duration_s, share=self.dose)
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Envoy flags the requests that waited."""
        return flagged(before, after, _FLAG)

    def words(self) -> Words:
        """``delay(ratings, 2 s, 30 %)``."""
        duration, dose = format_duration(self.duration_s), format_percent(self.dose)
        return Words(
            text=f"delay({self.host}, {duration}, {dose}{', inbound' if self.inbound else ''})",
            effect=f"{dose} of the requests to {self.host} wait {duration}",
        )


def delay(
    host: str,
    duration: str | float,
    *,
    percent: str | float = 100,
    caller: str | None = None,
    inbound: bool = False,
) -> Delay:
    """A delay of ``duration`` ("250ms", "2s" or seconds) for ``percent`` (0 to 100) of the requests to ``host``.

    inbound: in the host's own proxies, for every caller, without an edit of its routes; on a cluster only.
    Raises UsageError for an empty host, a duration under 1 ms (Istio's resolution) or a dose of zero.
    """
    what = f"delay({host})"
    seconds = parse_duration(duration, what)
    if seconds < 1e-3 or not math.isfinite(seconds):
        raise UsageError(f"{what}: expected a duration of at least 1ms, found {duration!r}")
    return Delay(host=host_name(host), duration_s=seconds, dose=share(percent, what), caller=caller, inbound=inbound)
