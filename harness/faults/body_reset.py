"""Body reset: callers get the status and the headers of an answer, a part of its body, and then a broken connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.bandwidth_limit import ports_of
from harness.faults.condition import Condition, refuse_others
from harness.faults.counting import flagged, growth
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.declared import Scalar
from harness.model.hit import Hit, HitState
from harness.model.step import Step
from harness.model.units import format_duration, parse_duration
from harness.routing.port import Aim, Bandwidth

_KIB_PER_S = 1
"""So slow that bodies take longer than the headers before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyReset(Condition):
    """Each caller's proxy passes bodies on slowly, and cuts calls to ``host`` off after ``after_s`` seconds."""

    kind: ClassVar[str] = "body_reset"
    usage: ClassVar[Usage] = Usage(
        value="TIME",
        example="300ms --from reviews",
        help="bodies of its answers trickle, and a call that has lasted so long is cut off, mostly in the body",
        signal="Envoy's counter downstream_rq_max_duration_reached of the caller's listener",
        needs="HTTP calls to its own URL, and answers with bodies",
        undo="the EnvoyFilter is deleted",
        meshes=("local",),
        closest='timeout("HOST", "500ms")',
    )

    after_s: float

    @classmethod
    def parse(cls, arguments: Arguments) -> BodyReset:
        """``HOST TIME``, with a caller."""
        refuse_others(arguments, cls.kind, "value", "caller")
        return body_reset(arguments.host, arguments.value, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """After how long calls are cut off."""
        return {"after_s": self.after_s}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        after = format_duration(self.after_s)
        return f"no call lasted {after}: bodies are small, calls are rare, or callers give up sooner"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an object of its own, which nobody else writes."""
        change = Bandwidth(kib_per_s=_KIB_PER_S, ports=ports_of(self.host, world), reset_after_s=self.after_s)
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls that were cut off."""
        requests = flagged(before, after).requests
        if after.cut_off is None:
            why = "the callers' proxies show no counter of calls that were cut off"
            return Hit(state=HitState.UNMEASURED, requests=requests, why=why)
        return self.met(Hit(hit=growth(before.cut_off, after.cut_off, most=requests), requests=requests))

    def words(self) -> Words:
        """``body_reset(ratings, 300 ms)``."""
        after = format_duration(self.after_s)
        return Words(
            text=f"{self.kind}({self.host}, {after}{only(self.arms)})",
            effect=f"answers of {self.host} trickle, and calls are cut off after {after}, mostly in the body",
        )


def body_reset(host: str, after: str | float, *, caller: str | None = None) -> BodyReset:
    """Let bodies of ``host``'s answers trickle, and cut calls off after ``after`` ("300ms" or seconds).

    Local mesh only: the sidecars of a cluster do not count such calls. On a cluster, ``timeout`` comes closest. Raises
    UsageError for an empty host or a duration under 1 ms.
    """
    seconds = parse_duration(after, f"body_reset({host})")
    if seconds < 1e-3:
        raise UsageError(f"body_reset({host}): expected a duration of at least 1ms, found {after!r}")
    return BodyReset(host=host_name(host), after_s=seconds, caller=caller)
