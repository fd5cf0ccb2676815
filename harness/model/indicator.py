"""Names of indicators, and how objectives may write them; ``harness.judge.indicators`` measures them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.phase import PhaseKind
from harness.model.units import Unit


class Direction(StrEnum):
    """The direction in which an indicator gets worse."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


class Source(StrEnum):
    """Where an indicator's values come from: requests, series of readings, or the hops behind the service."""

    SAMPLES = "samples"
    SERIES = "series"
    HOPS = "hops"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorSpec:
    """The part of an indicator that is data: what the parser of objectives, the configuration and reports need.

    kind: the indicator's name in records, such as ``latency``.
    pattern: a regular expression for the names that objectives use. A group ``percent`` is a quantile in percent.
    names: those names as a list of known indicators shows them.
    unit: of its values. source: where they come from.
    worse: the directions in which it can get worse; the objective chooses if there are several.
    example: a tolerance or limit, for error messages.
    relative: whether a difference is a share of the baseline if the objective has nothing but a limit.
    shares, sizes: whether a tolerance may be a share of the baseline (``+10%``), and a size (``+5ms``).
    phase: the only kind of phase it is judged in; None means every judged phase.
    interaction: whether ``interaction(...)`` may compare its difference under a fault with the steady one.
    answered_only: whether requests that failed are left out.
    labels: which labels objectives may give besides endpoint and phase.
    """

    kind: str
    pattern: str
    names: str
    unit: Unit
    source: Source
    worse: tuple[Direction, ...]
    example: str
    relative: bool = False
    shares: bool = True
    sizes: bool = True
    phase: PhaseKind | None = None
    interaction: bool = False
    answered_only: bool = False
    labels: tuple[str, ...] = ()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The units that numbers in objectives may have, the percent sign of shares first."""
        return (*(("%",) if self.shares else ()), *(self.unit.suffixes if self.sizes else ()))

    @property
    def two_sided(self) -> bool:
        """Whether both directions are always worse, so that a number without a sign is a tolerance."""
        return self.worse == (Direction.EITHER,)
