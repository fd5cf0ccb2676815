"""Kill: the processes of a service end at once, as by a crash, and are started again when the fault ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.port import Arguments, Usage, Words
from harness.faults.processes import ProcessFault
from harness.faults.values import host_name
from harness.model.step import Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill(ProcessFault):
    """Every process of ``host`` is killed (SIGKILL), and started again when the fault ends."""

    kind: ClassVar[str] = "kill"
    usage: ClassVar[Usage] = Usage(
        value="",
        help="its processes end at once, and start again when the fault ends",
        signal="response flag UF, UC, UR, UH, LR or URX",
        needs="processes that the harness started",
        undo="the processes are started again",
        meshes=("local",),
        closest='scale("HOST", 0)',
    )
    verb: ClassVar[Verb] = Verb.STOP
    undo: ClassVar[Verb] = Verb.START

    @classmethod
    def parse(cls, arguments: Arguments) -> Kill:
        """``HOST``."""
        refuse_others(arguments, cls.kind)
        return kill(arguments.host)

    def words(self) -> Words:
        """``kill(ratings)``."""
        return Words(text=f"{self.kind}({self.host})", effect=f"the processes of {self.host} are killed")


def kill(host: str) -> Kill:
    """Kill every process of ``host`` at once, and start it again when the fault ends. Local mesh only.

    It hits the calls that find nobody. It holds for every caller. Raises UsageError for an empty host.
    """
    return Kill(host=host_name(host))
