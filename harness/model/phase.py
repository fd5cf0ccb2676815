"""The phases of a run: planned lengths, and the windows that really were."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from harness.errors import UsageError
from harness.model.units import parse_duration
from harness.printable import shown

_TO = ".."


class PhaseKind(StrEnum):
    """The purpose of a phase."""

    WARM_UP = "warm-up"
    STEADY = "steady"
    FAULT = "fault"
    RECOVERY = "recovery"

    @property
    def judged(self) -> bool:
        """Whether samples of this phase are evidence."""
        return self is not PhaseKind.WARM_UP


class PhaseLength(float):
    """The longest length of a phase in seconds, with the shortest one in ``least_s``.

    It is a number of seconds wherever only the longest length matters: the plan of a run is its longest form.
    """

    least_s: float

    def __new__(cls, most_s: float, least_s: float = 0.0) -> Self:
        """Return a length from ``least_s`` to ``most_s`` seconds. Copies set ``least_s`` afterwards."""
        length = super().__new__(cls, most_s)
        length.least_s = least_s
        return length


def least_of(seconds: float) -> float | None:
    """Return the shortest length of a phase in seconds, or None if its length is fixed."""
    return seconds.least_s if isinstance(seconds, PhaseLength) else None


def parse_length(text: str | float, what: str = "duration") -> float:
    """Return seconds in ``30s``, or a ``PhaseLength`` in ``10s..2m``. Raises UsageError for anything else."""
    if not isinstance(text, str) or _TO not in text:
        return parse_duration(text, what)
    least_s, most_s = (parse_duration(part.strip(), what) for part in text.split(_TO, 1))
    if not 0 < least_s <= most_s:
        label = f"{what}: " if what else ""
        raise UsageError(f"{label}expected a shorter and a longer duration such as 10s..2m, found {shown(text)}")
    return PhaseLength(most_s, least_s=least_s)


def format_length(seconds: float) -> str:
    """Return the text that ``parse_length`` reads."""
    least_s = least_of(seconds)
    return f"{seconds:g}s" if least_s is None else f"{least_s:g}s{_TO}{float(seconds):g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """A phase as planned: its length in seconds and, for a fault phase, the fault's text.

    least_s: the phase ends after at least so many seconds, as soon as all its objectives are decided, and after
    ``duration_s`` at the latest; None for a phase of fixed length.
    """

    name: str
    kind: PhaseKind
    duration_s: float
    faults: tuple[str, ...] = ()
    least_s: float | None = None


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
