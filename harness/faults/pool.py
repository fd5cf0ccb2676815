"""The base of faults of the connections to a host: a traffic policy, which holds for every caller."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from harness.faults.condition import Condition
from harness.faults.port import World, expressed
from harness.model.declared import Scope
from harness.model.json import JsonObject
from harness.model.step import Step
from harness.routing.port import Aim, PolicyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFault(Condition):
    """A condition of the connections that each caller's proxy holds to ``host``."""

    @property
    def scope(self) -> Scope:
        """Every caller: a traffic policy cannot be narrowed."""
        return Scope(every_caller=True)

    @property
    @abstractmethod
    def policy(self) -> JsonObject:
        """The values to set, in the terms of Istio's ``trafficPolicy``."""

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the policy of the host, and of subsets with a policy of their own."""
        return expressed(world.routing.change(world.resources(), PolicyChange(policy=self.policy), aim))
