"""Delete pods: pods of a service end almost at once, as by a crash of their node, and new ones take their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others, whole_number
from harness.faults.pods import PodFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name
from harness.model.step import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePods(PodFault):
    """``pods`` pods of each version of ``host`` have a second to end; they cannot finish their requests."""

    kind: ClassVar[str] = "delete_pods"
    usage: ClassVar[Usage] = Usage(
        value="PODS",
        example="1",
        help="so many of its pods of each version are deleted and have one second to end",
        signal="the uid of each pod is gone",
        needs="pods with a controller; a PodDisruptionBudget that allows it; cluster.limits.every-caller",
        undo="the controller replaces the pods; the run waits for that",
        meshes=("cluster",),
        closest='restart("HOST")',
    )
    verb: ClassVar[Verb] = Verb.DELETE

    @classmethod
    def parse(cls, arguments: Arguments) -> DeletePods:
        """``HOST PODS``."""
        refuse_others(arguments, cls.kind, "value")
        return delete_pods(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    def words(self) -> Words:
        """``delete_pods(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.pods})",
            effect=f"{self.pods} {'pod' if self.pods == 1 else 'pods'} of each version of {self.host} are deleted and "
            "have one second to end",
        )


def delete_pods(host: str, pods: int = 1) -> DeletePods:
    """Delete ``pods`` pods of each version of ``host``, which then have one second to end. Cluster only.

    The API server would not ask PodDisruptionBudgets; the harness does, and one that does not allow it prevents the
    run. The fault phase begins when the pods are gone; the undo waits until new ones are ready. Raises UsageError for
    an empty host or for less than 1 pod.
    """
    return DeletePods(host=host_name(host), pods=whole_number(pods, f"delete_pods({host})"))
