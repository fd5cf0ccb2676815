"""A fault at the called service itself: a stand-in in front of it delays or refuses requests, and no proxy does.

Envoy's own faults come before its timeouts and retries, so neither could help against them. What happens at the service
comes after both, as trouble of the service would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from harness.errors import CannotReplay, ServiceError, UsageError
from harness.faults import Abort, Delay, Fault
from harness.faults.counting import grown
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.model.declared import Declared, Scope
from harness.model.hit import Hit, HitState
from harness.model.json import JsonObject
from harness.model.step import Step
from harness.model.units import format_percent
from harness.replay.playing import ASKED_HERE, DELAYED_HERE, FAILED_HERE
from harness.replay.script import Trouble
from harness.routing.port import Aim, PolicyChange
from harness.runner.counts import service_name

_NEUTRAL: JsonObject = {"connectionPool": {"tcp": {"connectTimeout": "10s"}}}
"""The step of this fault, which changes nothing: 10 s is Istio's default. The stand-in does the rest."""
_ARRIVED = 0.9
"""The share of the calls that the proxies counted under the fault that the stand-in must have seen under it."""
_SIGMAS = 4.0


class AtService:
    """Trouble at a service for a share of the requests to it."""

    kind: ClassVar[str] = "at_service"
    usage: ClassVar[Usage] = Usage(value="", help="requests are delayed or refused by the service itself")

    def __init__(self, moved: Fault) -> None:
        """moved: the fault of the recorded run that happens at its host now."""
        self._text = f"{moved.words().text} at the service"
        self._effect = f"{moved.words().effect}, at the service itself"
        self._host = moved.declared("").host

    def __str__(self) -> str:
        return self._text

    @classmethod
    def parse(cls, _: Arguments) -> AtService:
        """Raise UsageError: only a replay makes it."""
        raise UsageError("at_service: expected a fault that can be injected by hand; only a replay makes this one")

    def declared(self, fault_id: str) -> Declared:
        """Return a condition of every caller."""
        return Declared(id=fault_id, kind=self.kind, host=self._host, text=self._text, scope=Scope(every_caller=True))

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return a step that changes nothing."""
        return expressed(world.routing.change(world.resources(), PolicyChange(policy=_NEUTRAL), aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls while it lasted; the stand-in hits exactly its share of them."""
        calls = grown(before.rows, after.rows, lambda _: True)
        return Hit(state=HitState.SEEN, requests=calls, why="the stand-in in front of the service hit its share")

    def words(self) -> Words:
        """Return the words of the recorded fault, with where it happens."""
        return Words(text=self._text, effect=self._effect)


def moved_to_service(fault: Fault) -> tuple[str, Trouble]:
    """Return the service at which a fault of the caller's proxy happens instead, and what happens there.

    Raises CannotReplay for a fault that is no delay and no abort.
    """
    if isinstance(fault, Delay):
        trouble = Trouble(phase="fault", share=fault.dose, delay_s=fault.duration_s)
    elif isinstance(fault, Abort):
        trouble = Trouble(phase="fault", share=fault.dose, status=fault.status)
    else:
        raise CannotReplay(
            f"{fault.words().text}: expected a delay or an abort, which can happen at the service itself: no change of "
            "a route can be tried against another fault"
        )
    return service_name(fault.declared("").host), trouble


def require_dose(service: str, troubles: Sequence[Trouble], counted: Mapping[str, int], *, calls: int) -> None:
    """Raise ServiceError unless the faults at a service hit their shares of its requests.

    counted: requests, by the names of ``harness.replay.playing``. calls: that the service answered in the fault phase,
    by the proxies' count; with retries, more requests than calls arrive.
    """
    asked = counted.get(ASKED_HERE, 0)
    if not asked or asked < _ARRIVED * calls:
        raise ServiceError(
            f"{service}: expected its stand-in to make trouble for {calls or 'all'} calls of the fault phase, found "
            f"{asked} requests that came meanwhile: the fault was not in force, so the replay proves nothing"
        )
    shares = {
        DELAYED_HERE: [one.share for one in troubles if one.delay_s > 0],
        FAILED_HERE: [one.share for one in troubles if one.status],
    }
    for name, doses in shares.items():
        dose, hit = 1 - math.prod(1 - share for share in doses), counted.get(name, 0)
        chance = _SIGMAS * math.sqrt(dose * (1 - dose) * asked) + 1
        if abs(hit - dose * asked) > chance:
            raise ServiceError(
                f"{service}: expected {format_percent(dose)} of {asked} requests {name}, found {hit}: the fault had "
                "another dose, so the replay proves nothing"
            )
