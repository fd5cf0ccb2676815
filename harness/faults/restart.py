"""Restart: the processes of a service are killed and started again before the fault phase begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.port import Arguments, Usage, Words
from harness.faults.processes import ProcessFault
from harness.faults.values import host_name
from harness.model.step import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(ProcessFault):
    """Every process of ``host`` is replaced by a new one: connections are lost, and caches are empty."""

    kind: ClassVar[str] = "restart"
    usage: ClassVar[Usage] = Usage(
        value="",
        help="its processes are killed and start again at once",
        signal="other processes, seen to be healthy",
        needs="processes that the harness started",
        undo="nothing is left to revert",
        meshes=("local",),
        closest='delete_pods("HOST", 1)',
    )
    verb: ClassVar[Verb] = Verb.RESTART
    undo: ClassVar[Verb] = Verb.START

    @classmethod
    def parse(cls, arguments: Arguments) -> Restart:
        """``HOST``."""
        refuse_others(arguments, cls.kind)
        return restart(arguments.host)

    @property
    def seen(self) -> str:
        """The mesh saw the new processes."""
        return f"new processes of {self.host} are healthy"

    def words(self) -> Words:
        """``restart(ratings)``."""
        return Words(text=f"{self.kind}({self.host})", effect=f"the processes of {self.host} are restarted")


def restart(host: str) -> Restart:
    """Kill every process of ``host`` and start it again at once. Local mesh only.

    The fault phase begins when the new processes are healthy: it shows lost connections and cold caches. It holds for
    every caller. Raises UsageError for an empty host.
    """
    return Restart(host=host_name(host))
