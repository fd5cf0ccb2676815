"""An objective: a service level indicator with what is still acceptable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class SliKind(StrEnum):
    """How an indicator is computed, which decides the test that fits it."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"
    THROUGHPUT = "throughput"
    SPLIT = "split"
    GAUGE = "gauge"
    RECOVERY = "recovery_time"


class Direction(StrEnum):
    """Which way is worse."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One indicator and its limits. Build one from text with ``parse_objective``.

    text: as the user wrote it, e.g. ``latency_p99 < +10%``.
    name: the indicator, e.g. ``latency_p99`` or ``error_rate``; a gauge's name is free.
    quantile: in (0, 1), for latencies only.
    relative: tolerated difference to the baseline as a share of it (0.1 is +10 %), or None.
    absolute: tolerated difference to the baseline in the indicator's unit (seconds, ratio), or None.
    limit: value the canary itself must not pass, in the indicator's unit, or None.
    labels: restrict the samples, e.g. ``{"endpoint": "/checkout"}``.
    interaction: judge how much more the canary suffers from a fault than the baseline does.
    muted: reported, never decides.
    """

    text: str
    name: str
    kind: SliKind
    quantile: float | None = None
    direction: Direction = Direction.INCREASE
    relative: float | None = None
    absolute: float | None = None
    limit: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    interaction: bool = False
    weight: float = 1.0
    group: str = "default"
    critical: bool = False
    muted: bool = False

    def __str__(self) -> str:
        return self.text
