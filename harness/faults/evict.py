"""Evict: pods of a service are shut down cleanly, as when a node is drained, and new ones replace them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others, whole_number
from harness.faults.pods import PodFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name
from harness.model.step import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(PodFault):
    """``pods`` pods of each version of ``host`` are evicted; PodDisruptionBudgets are respected."""

    kind: ClassVar[str] = "evict"
    usage: ClassVar[Usage] = Usage(
        value="PODS",
        example="1",
        help="this number of its pods of each version is evicted",
        signal="the uid of each pod is gone",
        needs="pods with a controller; a PodDisruptionBudget that allows it; cluster.limits.every-caller",
        undo="the controller replaces the pods; the run waits for that",
        meshes=("cluster",),
        closest='restart("HOST")',
    )
    verb: ClassVar[Verb] = Verb.EVICT

    @classmethod
    def parse(cls, arguments: Arguments) -> Evict:
        """``HOST PODS``."""
        refuse_others(arguments, cls.kind, "value")
        return evict(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    def words(self) -> Words:
        """``evict(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.pods})",
            effect=f"{self.pods} {'pod' if self.pods == 1 else 'pods'} of each version of {self.host} are evicted",
        )


def evict(host: str, pods: int = 1) -> Evict:
    """Evict ``pods`` pods of each version of ``host``, as when a node is drained. Cluster only.

    A PodDisruptionBudget that does not allow it prevents the run. The fault phase begins when the pods are gone; the
    undo waits until new ones are ready. Raises UsageError for an empty host or for less than 1 pod.
    """
    return Evict(host=host_name(host), pods=whole_number(pods, f"evict({host})"))
