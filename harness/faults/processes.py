"""The base of faults of processes: one action for each process of the host, on the local mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from harness.faults.condition import SharedCondition
from harness.faults.port import World
from harness.faults.targets import ref, targets
from harness.model.step import PROCESS, Act, Action, Step, Verb
from harness.routing.port import Aim

FAILED = ("UF", "UC", "UR", "UH", "LR", "URX")
"""The response flags of calls that did not get to a service, or were cut off by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFault(SharedCondition):
    """A fault that acts on every process of ``host``.

    verb, undo: what is done to each process, and what reverts it.
    """

    flags: ClassVar[tuple[str, ...]] = FAILED
    verb: ClassVar[Verb]
    undo: ClassVar[Verb]

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "no call was sent to a process that was not there"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an action for each process; its undo may act on another process of the same workload."""
        found = [ref(item, PROCESS, aim) for item in targets(world, aim, PROCESS)]
        return tuple(
            Action(
                owner=aim.owner,
                declared=aim.declared,
                act=Act(verb=self.verb, target=target),
                undo=Act(verb=self.undo, target=target if self.undo is Verb.RESUME else replace(target, uid="")),
            )
            for target in found
        )
