"""CPU limit: the containers of a service get less CPU, as next to a greedy neighbour, so they are throttled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.pod_limits import PodLimit, limit_of
from harness.faults.port import Arguments, Usage
from harness.faults.values import host_name

_LEAST = "10m"
"""The smallest share that the kernel grants: one of a hundred milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLimit(PodLimit):
    """Each container of ``host`` gets at most ``limit`` of CPU; the kernel throttles one that wants more."""

    kind: ClassVar[str] = "cpu_limit"
    usage: ClassVar[Usage] = Usage(
        value="CPU",
        example="50m",
        help="each container of its running pods gets at most so much CPU (50m are 0.05 cores)",
        signal="the limit in the status of each container, as its kubelet applied it",
        needs="Kubernetes 1.33 or later; a larger CPU limit of each container; cluster.limits.every-caller",
        undo="each pod gets the limit of before",
        meshes=("cluster",),
        closest='delay("HOST", "100ms")',
    )
    resource: ClassVar[str] = "cpu"

    @classmethod
    def parse(cls, arguments: Arguments) -> CpuLimit:
        """``HOST CPU``."""
        refuse_others(arguments, cls.kind, "value")
        return cpu_limit(arguments.host, arguments.value)


def cpu_limit(host: str, limit: str) -> CpuLimit:
    """Give each container of ``host`` a CPU limit such as ``"50m"``, while its pods go on. Cluster only.

    The kubelet applies it to running containers; one that has no CPU limit prevents the run. With ``on_canary`` and
    the service under test as the host, only the canary gets it, as a positive control. Raises UsageError for an empty
    host or a limit below 10m.
    """
    return CpuLimit(host=host_name(host), limit=limit_of(limit, f"cpu_limit({host})", least=_LEAST))
