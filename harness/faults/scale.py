"""Scale: the Deployments of a service get another number of pods, also none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import SharedCondition, refuse_others, whole_number
from harness.faults.port import Arguments, Usage, Words, World
from harness.faults.processes import FAILED
from harness.faults.targets import ref, targets
from harness.faults.values import host_name
from harness.model.declared import Scalar
from harness.model.json import JsonObject, value_at
from harness.model.step import Act, Action, Step, Verb
from harness.routing.port import Aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(SharedCondition):
    """Every Deployment of ``host`` has ``replicas`` pods, and as many as before when the fault ends."""

    kind: ClassVar[str] = "scale"
    flags: ClassVar[tuple[str, ...]] = FAILED
    usage: ClassVar[Usage] = Usage(
        value="REPLICAS",
        example="0",
        help="its Deployments get so many pods, also 0",
        signal="so many ready pods in the status of each Deployment; with 0, the response flags of calls that fail",
        needs="a PodDisruptionBudget that allows it, and no autoscaler; cluster.limits.every-caller",
        undo="the Deployments are scaled back",
        meshes=("cluster",),
        closest='kill("HOST")',
    )

    replicas: int

    @classmethod
    def parse(cls, arguments: Arguments) -> Scale:
        """``HOST REPLICAS``."""
        refuse_others(arguments, cls.kind, "value")
        return scale(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})", least=0))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """How many replicas."""
        return {"replicas": self.replicas}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "no call failed, although no pod was left"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an action for each Deployment. Its undo leaves a number alone that somebody else has set."""
        found = targets(world, aim, "Deployment")
        return tuple(self._action(item, aim) for item in found)

    def _action(self, deployment: JsonObject, aim: Aim) -> Action:
        target, now = ref(deployment, "Deployment", aim), value_at(deployment, "spec", "replicas")
        before = now if isinstance(now, int) else 1
        if before == self.replicas:
            raise UsageError(
                f"{aim.declared.text}: {target.name} has {before} replicas already: expected another number"
            )
        act = Act(verb=Verb.SCALE, target=replace(target, uid=""), args={"from": before, "replicas": self.replicas})
        back = replace(act, args={"from": self.replicas, "replicas": before})
        return Action(owner=aim.owner, declared=aim.declared, act=act, undo=back)

    @property
    def seen(self) -> str:
        """With pods left, the mesh saw how many there are; without any, calls have to fail."""
        return f"{self.host} had {self.replicas} pods in each Deployment" if self.replicas else ""

    def words(self) -> Words:
        """``scale(ratings, 0)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.replicas})",
            effect=f"each Deployment of {self.host} has {self.replicas} pods",
        )


def scale(host: str, replicas: int = 0) -> Scale:
    """Give each Deployment of ``host`` another number of pods, and the number of before when the fault ends.

    Cluster only. A PodDisruptionBudget that does not allow it prevents the run, and so does an autoscaler, which would
    scale back. Raises UsageError for an empty host or a negative number.
    """
    return Scale(host=host_name(host), replicas=whole_number(replicas, f"scale({host})", least=0))
