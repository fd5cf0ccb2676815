"""Black hole: requests are routed to a subset without any pod, as after a broken deployment, and get a 503."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.dosed import DosedFault
from harness.faults.port import Arguments, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.declared import Scalar
from harness.model.step import Step
from harness.routing.edits import prefix
from harness.routing.port import Aim, RouteChange, SubsetChange

_NOBODY = {"canary-harness/nobody": "true"}
"""A label that no pod has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackHole(DosedFault):
    """Requests to ``host`` find no endpoint: the proxy answers with 503, and nothing arrives."""

    kind: ClassVar[str] = "black_hole"
    flag: ClassVar[str] = "UH"
    usage: ClassVar[Usage] = Usage(
        value="",
        help="requests find no healthy endpoint and get a 503",
        signal="response flag UH",
        needs="HTTP calls",
    )

    @classmethod
    def parse(cls, arguments: Arguments) -> BlackHole:
        """``HOST``, with a caller."""
        refuse_others(arguments, cls.kind, "caller")
        return black_hole(arguments.host, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """Nothing."""
        return {}

    @property
    def change(self) -> RouteChange:
        """Requests go to the subset; ``steps`` names it."""
        return RouteChange()

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return the new subset, and then the change of the routes that lead to it: the undo goes the other way."""
        resources, name = world.resources(), f"{prefix(aim.owner)}nobody-{aim.index}"
        subset = expressed(world.routing.change(resources, SubsetChange(name=name, labels=_NOBODY), aim))
        return (*subset, *expressed(world.routing.change(resources, RouteChange(subset=name), aim)))

    def words(self) -> Words:
        """``black_hole(ratings)``."""
        return Words(
            text=f"{self.kind}({self.host}{only(self.arms)})",
            effect=f"requests to {self.host} find no endpoint and get a 503",
        )


def black_hole(host: str, *, caller: str | None = None) -> BlackHole:
    """Route every request to ``host`` to a subset without pods, so that the proxy answers with 503.

    Unlike an abort, it goes through the proxy's router: it counts as a failed call there. Raises UsageError for an
    empty host.
    """
    return BlackHole(host=host_name(host), dose=1.0, caller=caller)
