"""Pause: the processes of a service stand still, as in a long garbage collection, so calls wait for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.counting import flagged
from harness.faults.port import Arguments, Signals, Usage, Words
from harness.faults.processes import FAILED, ProcessFault
from harness.faults.values import host_name
from harness.model.hit import Hit, HitState
from harness.model.step import Verb

_GIVEN_UP = ("DC", "DT", "UT", "SI", *FAILED)
"""The response flags of calls that somebody gave up, or that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(ProcessFault):
    """Every process of ``host`` is stopped (SIGSTOP), and continued when the fault ends."""

    kind: ClassVar[str] = "pause"
    flags: ClassVar[tuple[str, ...]] = ()
    usage: ClassVar[Usage] = Usage(
        value="",
        help="its processes stand still, so calls wait until the fault ends",
        signal="calls that wait at the proxies or are given up, and no answers",
        needs="processes that the harness started",
        undo="the processes are continued",
        meshes=("local",),
        closest='delay("HOST", "10s")',
    )
    verb: ClassVar[Verb] = Verb.PAUSE
    undo: ClassVar[Verb] = Verb.RESUME

    @classmethod
    def parse(cls, arguments: Arguments) -> Pause:
        """``HOST``."""
        refuse_others(arguments, cls.kind)
        return pause(arguments.host)

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "no call waited for an answer"

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls that still waited at the end, and those that were given up.

        A process that stands still answers nothing, apart from an answer that was on its way: more answers show that
        the fault had no effect.
        """
        ended = flagged(before, Signals(rows=after.rows, settled=after.rows), *_GIVEN_UP)
        answered, hit = ended.requests - ended.hit, ended.hit + after.waiting
        if answered > before.waiting + 1:
            why = f"no effect: {answered} calls were answered by processes that stand still"
            return Hit(state=HitState.NO_OCCASION, requests=answered + hit, why=why)
        return self.met(Hit(hit=hit, requests=answered + hit))

    def words(self) -> Words:
        """``pause(ratings)``."""
        return Words(text=f"{self.kind}({self.host})", effect=f"the processes of {self.host} stand still")


def pause(host: str) -> Pause:
    """Let every process of ``host`` stand still, and go on when the fault ends. Local mesh only.

    Calls wait for an answer or are given up by the caller. It holds for every caller. Raises UsageError for an empty
    host.
    """
    return Pause(host=host_name(host))
