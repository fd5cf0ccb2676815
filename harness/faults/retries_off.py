"""Retries off: the callers' proxies send no request again, so failures that retries hide reach the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import Condition, refuse_others
from harness.faults.counting import grown, has_flag
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.counts import RequestCount
from harness.model.hit import Hit, HitState
from harness.model.step import Step
from harness.routing.port import Aim, Retries, RouteChange

_NOT_SENT = ("UF", "UR", "LR")
"""Calls that did not get to the service, or were reset by it: the ones that Istio sends again by default."""
_GAVE_UP = "URX"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriesOff(Condition):
    """The callers' proxies send no request to ``host`` again."""

    kind: ClassVar[str] = "retries_off"
    usage: ClassVar[Usage] = Usage(
        value="",
        help="proxies send no request again that failed",
        signal="response flag UF, UR or LR without URX",
        needs="calls that cannot be delivered, such as by another fault",
    )

    @classmethod
    def parse(cls, arguments: Arguments) -> RetriesOff:
        """``HOST``, with a caller."""
        refuse_others(arguments, cls.kind, "caller")
        return retries_off(arguments.host, caller=arguments.caller)

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "no call failed that a proxy sends again by default"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the routes to the host."""
        return expressed(world.routing.change(world.resources(), RouteChange(retries=Retries(attempts=0)), aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls that failed on their way and were not sent again. Any retry shows that they are still on."""
        requests = grown(before.rows, after.rows, lambda _: True)
        again = grown(before.rows, after.rows, lambda row: has_flag(row, _GAVE_UP))
        if again:
            why = f"no effect: proxies sent {again} calls again"
            return Hit(state=HitState.NO_OCCASION, requests=requests, why=why)
        return self.met(Hit(hit=grown(before.rows, after.rows, _failed_at_once), requests=requests))

    def words(self) -> Words:
        """``retries_off(ratings)``."""
        return Words(
            text=f"{self.kind}({self.host}{only(self.arms)})",
            effect=f"requests to {self.host} that fail are not sent again",
        )


def retries_off(host: str, *, caller: str | None = None) -> RetriesOff:
    """Switch the retries of the callers' proxies off, so that failures that they hide reach the caller.

    It hits the calls that cannot be delivered (connection failures, resets). Use it together with a fault that causes
    some. Raises UsageError for an empty host.
    """
    return RetriesOff(host=host_name(host), caller=caller)


def _failed_at_once(row: RequestCount) -> bool:
    return has_flag(row, *_NOT_SENT) and not has_flag(row, _GAVE_UP)
