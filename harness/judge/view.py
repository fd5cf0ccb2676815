"""The view of one phase for one objective, and the numbers that a finding about it shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.judge.alpha_spending import INTERVAL_TAIL, Look, Start
from harness.judge.indicators.port import Scene
from harness.judge.measure import Measurement
from harness.model.record import Plan
from harness.stats.stretches import Stretches
from harness.stats.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Endpoints or instances, of which one may hold all harm.

    own, others: return the phase's requests of one of the ``names``, and those of all others. where, elsewhere: how to
    say that harm sits in one of them, and that it does not sit in the others.
    """

    names: tuple[str, ...]
    own: Callable[[str], Window]
    others: Callable[[str], Window]
    where: str
    elsewhere: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    """One phase as one objective sees it.

    alpha: the part of the run's alpha for this objective and phase. starts: where the stretches start in which harm is
    looked for, the whole phase first. later: the stretches but for the first. pooled: a short phase's requests together
    with those of the steady phase. places: what the phase's requests can be divided by, to find out where harm sits.
    """

    look: Look
    scene: Scene
    plan: Plan
    alpha: float
    any_harm: bool
    starts: tuple[Start, ...]
    later: Stretches
    pooled: Window | None = None
    places: tuple[Places, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The numbers that decided a finding.

    limits: the ends of the interval. confidence: of the interval. since_s, until_s: where the stretch begins and ends
    that decided, in seconds after the phase's start; infinite if it goes on. note: why these are not the numbers of the
    whole phase with 95 % confidence.
    """

    measured: Measurement
    limits: tuple[float, float]
    confidence: float = 1 - 2 * INTERVAL_TAIL
    since_s: float = 0.0
    until_s: float = math.inf
    note: str = ""
