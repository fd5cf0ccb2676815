"""Memory limit: the containers of a service get less memory; one that needs more is killed and started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.pod_limits import PodLimit, limit_of
from harness.faults.port import Arguments, Usage
from harness.faults.processes import FAILED
from harness.faults.values import host_name

_LEAST = "1Mi"
"""Less is a mistake, such as a forgotten unit: no container starts with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit(PodLimit):
    """Each container of ``host`` gets at most ``limit`` of memory; the kernel kills one that needs more."""

    kind: ClassVar[str] = "memory_limit"
    flags: ClassVar[tuple[str, ...]] = FAILED
    usage: ClassVar[Usage] = Usage(
        value="MEMORY",
        example="64Mi",
        help="each container of its running pods gets at most so much memory, and is killed if it needs more",
        signal="the limit in the status of each container, as its kubelet applied it",
        needs="Kubernetes 1.35 or later (before: the resizePolicy RestartContainer for memory); a larger memory limit "
        "of each container; cluster.limits.every-caller",
        undo="each pod gets the limit of before",
        meshes=("cluster",),
        closest='restart("HOST")',
    )
    resource: ClassVar[str] = "memory"

    @classmethod
    def parse(cls, arguments: Arguments) -> MemoryLimit:
        """``HOST MEMORY``."""
        refuse_others(arguments, cls.kind, "value")
        return memory_limit(arguments.host, arguments.value)


def memory_limit(host: str, limit: str) -> MemoryLimit:
    """Give each container of ``host`` a memory limit such as ``"64Mi"``, while its pods go on. Cluster only.

    A container that runs out of memory is killed and started again; such a death is part of the experiment, also in
    the service under test. A kubelet does not apply a limit below what a container uses; the run is inconclusive then.
    One that has no memory limit prevents the run. ``on_canary``: as for ``cpu_limit``. Raises UsageError for an empty
    host or a limit below 1Mi.
    """
    return MemoryLimit(host=host_name(host), limit=limit_of(limit, f"memory_limit({host})", least=_LEAST))
