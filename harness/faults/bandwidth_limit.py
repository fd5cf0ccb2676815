"""Bandwidth limit: the callers' proxies pass requests and answers on slowly, as a narrow network does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import Condition, refuse_others, whole_number
from harness.faults.counting import flagged, growth
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.declared import Scalar
from harness.model.hit import Hit, HitState
from harness.model.json import objects_at, text_at
from harness.model.step import Step
from harness.routing.port import Aim, Bandwidth

_SERVICE = "Service"


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthLimit(Condition):
    """Each caller's proxy passes ``kib_per_s`` KiB a second on to ``host`` and back, all calls together."""

    kind: ClassVar[str] = "bandwidth_limit"
    usage: ClassVar[Usage] = Usage(
        value="KIB_PER_SECOND",
        example="64 --from reviews",
        help="each caller's proxy passes so many KiB a second on to it and back, all calls together",
        signal="Envoy's counters request_enforced and response_enforced of http_bandwidth_limit",
        needs="HTTP calls with more bytes than that; on a cluster a Service, and the right to list Services",
        undo="the EnvoyFilter is deleted",
    )

    kib_per_s: int

    @classmethod
    def parse(cls, arguments: Arguments) -> BandwidthLimit:
        """``HOST KIB_PER_SECOND``, with a caller."""
        refuse_others(arguments, cls.kind, "value", "caller")
        number = whole_number(arguments.value, f"{cls.kind}({arguments.host})")
        return bandwidth_limit(arguments.host, number, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The limit."""
        return {"kib_per_s": self.kib_per_s}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no call had to wait: less than {self.kib_per_s} KiB a second were passed on"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an object of its own, which nobody else writes."""
        change = Bandwidth(kib_per_s=self.kib_per_s, ports=ports_of(self.host, world))
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count how often data had to wait; a call with much data waits several times, but counts once at most."""
        requests = flagged(before, after).requests
        if after.limited is None:
            why = "the callers' proxies show no counter of the bandwidth limit"
            return Hit(state=HitState.UNMEASURED, requests=requests, why=why)
        return self.met(Hit(hit=growth(before.limited, after.limited, most=requests), requests=requests))

    def words(self) -> Words:
        """``bandwidth_limit(ratings, 64)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.kib_per_s}{only(self.arms)})",
            effect=f"each caller's proxy passes {self.kib_per_s} KiB a second on to {self.host} and back",
        )


def ports_of(host: str, world: World) -> tuple[int, ...]:
    """Return the ports of a service; none if there is no Service of that name."""
    short = host.partition(".")[0]
    services = [one for one in world.resources(_SERVICE) if text_at(one, "metadata", "name") == short]
    numbers = (port.get("port") for one in services for port in objects_at(one, "spec", "ports"))
    return tuple(number for number in numbers if isinstance(number, int))


def bandwidth_limit(host: str, kib_per_s: int, *, caller: str | None = None) -> BandwidthLimit:
    """Let each caller's proxy pass ``kib_per_s`` KiB a second on to ``host``, and its answers back.

    All calls of a caller share it. Raises UsageError for an empty host or for less than 1 KiB.
    """
    return BandwidthLimit(
        host=host_name(host), kib_per_s=whole_number(kib_per_s, f"bandwidth_limit({host})"), caller=caller
    )
