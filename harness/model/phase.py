"""The phases of a run: planned lengths, and the windows that really were."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PhaseKind(StrEnum):
    """What a phase is for."""

    WARM_UP = "warm-up"
    STEADY = "steady"
    FAULT = "fault"
    RECOVERY = "recovery"

    @property
    def judged(self) -> bool:
        """Whether samples of this phase are evidence."""
        return self is not PhaseKind.WARM_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """A phase as planned: its length in seconds and, for a fault phase, the fault's text."""

    name: str
    kind: PhaseKind
    duration_s: float
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase as it was: seconds since the first due request, end exclusive.

    A fault phase starts when the fault is proven live and ends when its removal begins, so that
    every sample in it was due under the fault. Time between two phases belongs to none.
    """

    name: str
    kind: PhaseKind
    start_s: float
    end_s: float
    faults: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s
