"""Rate limit: the service's own proxies answer requests beyond a rate with a 429, as a quota does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import Condition, refuse_others, whole_number
from harness.faults.port import Arguments, Usage, Words, World, expressed
from harness.faults.values import host_name
from harness.model.declared import Scalar, Scope
from harness.model.step import Step
from harness.routing.port import Aim, RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimited(Condition):
    """Each proxy of ``host`` lets ``per_second`` requests arrive, and answers others with a 429."""

    kind: ClassVar[str] = "rate_limit"
    flags: ClassVar[tuple[str, ...]] = ("RL",)
    usage: ClassVar[Usage] = Usage(
        value="PER_SECOND",
        example="10",
        help="each of its own proxies answers requests beyond this rate with a 429",
        signal="response flag RL at the called side",
        needs="sidecars of the host; cluster.limits.every-caller",
        undo="the EnvoyFilter is deleted",
        meshes=("cluster",),
        closest='abort("HOST", 429, percent=90)',
    )

    per_second: int

    @classmethod
    def parse(cls, arguments: Arguments) -> RateLimited:
        """``HOST PER_SECOND``."""
        refuse_others(arguments, cls.kind, "value")
        return rate_limit(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The rate."""
        return {"per_second": self.per_second}

    @property
    def scope(self) -> Scope:
        """Every caller: the called side does not tell them apart."""
        return Scope(side="host", every_caller=True)

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no more than {self.per_second} requests a second arrived at a proxy"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an object of its own, which nobody else writes."""
        return expressed(world.routing.change(world.resources(), RateLimit(per_second=self.per_second), aim))

    def words(self) -> Words:
        """``rate_limit(ratings, 10)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.per_second})",
            effect=f"each proxy of {self.host} answers more than {self.per_second} requests a second with a 429",
        )


def rate_limit(host: str, per_second: int) -> RateLimited:
    """Let each proxy of ``host`` answer requests beyond ``per_second`` with a 429, by an EnvoyFilter. Cluster only.

    On the local mesh, ``request_limit`` comes closest. Raises UsageError for an empty host or for less than 1 request.
    """
    return RateLimited(host=host_name(host), per_second=whole_number(per_second, f"rate_limit({host})"))
