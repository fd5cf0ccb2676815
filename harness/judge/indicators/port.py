"""The port of indicators: one object says all there is to know about one thing that is judged.

An indicator is stateless; the objective carries what varies (quantile, name of a series, direction, tolerances).
``docs/adding-an-indicator.md`` builds one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.judge.evidence import TailEvidence
from harness.judge.prediction import Expected, Prediction
from harness.model.indicator import IndicatorSpec
from harness.model.objective import Objective
from harness.model.record import Series
from harness.model.samples import Samples
from harness.stats.window import Window

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an indicator is measured on.

    window: the requests of a phase. share: the planned share of requests to the canary. steady: the requests of the
    steady phase, if there was one. series: readings of both arms. start_s, end_s: the phase's time. excess: noise
    learned from equal builds (``harness.judge.calibration``). is_calibrated: whether it was learned. windows_before:
    how many windows of the phase before these requests show its noise. samples: single requests, for indicators that
    need more than the window counts; only those in the window's blocks are over. None if only counts are known. hits:
    the calls of the baseline and of the canary that faults hit in the phase; None while that is not known.
    """

    window: Window
    share: float
    steady: Window | None = None
    series: tuple[Series, ...] = ()
    start_s: float = 0.0
    end_s: float = math.inf
    excess: float = 0.0
    is_calibrated: bool = False
    windows_before: int = 0
    samples: Samples | None = None
    hits: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What one arm did in a short interval: its requests (shape (n,)), or the readings of its series (shape (n,)).

    status: of the requests, 0 without an answer.
    """

    latency_s: Floats
    failed: NDArray[np.bool_]
    readings: Floats
    seconds: float
    status: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What has to be known or recorded before an objective can be judged.

    canary_share: the planned share of requests. steady: a steady phase to compare with. hits: calls of both arms that
    faults hit. series: names of the series that both arms must have.
    """

    canary_share: bool = False
    steady: bool = False
    hits: bool = False
    series: tuple[str, ...] = ()


class Indicator(Protocol):
    """See the module.

    alpha_weight: how much of the run's alpha an objective gets, relative to the others.
    counted: what evidence is counted in, for people.
    restarts: whether harm that begins late is looked for in later parts of a phase too.
    in_interval: the value of one arm in a short interval (NaN without data), for judges that compare series over
    time; None if it has no such value.
    """

    @property
    def spec(self) -> IndicatorSpec:
        """What it is called, its unit, its direction and how objectives write it."""
        ...

    @property
    def alpha_weight(self) -> float:
        """See the class."""
        ...

    @property
    def counted(self) -> str:
        """See the class."""
        ...

    @property
    def restarts(self) -> bool:
        """See the class."""
        ...

    @property
    def in_interval(self) -> Callable[[Objective, Interval], float] | None:
        """See the class."""
        ...

    def needs(self, objective: Objective) -> Needs:
        """Return what has to be known or recorded."""
        ...

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Return the evidence about the difference between the arms; None if an arm has nothing that counts."""
        ...

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Return what a planned run will be able to see; None if that cannot be known before the run."""
        ...

    def show(self, value: float, *, short: bool = False) -> str:
        """Return a value with its unit, for people. short: for the cell of a table rather than a sentence."""
        ...
