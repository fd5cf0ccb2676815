"""Find harm that begins late in a phase or lasts for a few seconds: an outage, a crash, a sudden slowness.

The limits for the whole phase and for its longer stretches (``alpha_spending``) see small differences, but they dilute
harm that is short. Here, windows of 5, 10, 20 and 40 s are tested, beginning every second to every eight seconds. An
objective's part of alpha for all of them (``SUDDEN_PART``) is divided by their number in the planned phase
(Bonferroni; windows overlap, so this is cautious), so every look may test all of them.

Short windows are noisy: one arm may be slow for five seconds without any difference between the builds. Therefore only
harm *beyond the tolerance* is looked for, also where any harm fails, and only large harm in the shortest windows
(``SCALES``). A window needs a history of four windows of its length, whose noise it is measured against
(``harness.stats.scan``), and then stands the same test as any other stretch with at least that noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.judge.alpha_spending import SUDDEN_FROM_S, SUDDEN_PART, large_every_s
from harness.judge.indicators.port import Scene
from harness.judge.measure import Measurement, measure
from harness.judge.view import PhaseView
from harness.model.objective import Objective
from harness.model.samples import BASELINE, CANARY
from harness.stats.contrast import COMMON, crossing, precision, shared_noise
from harness.stats.histogram import latency_at, shift
from harness.stats.once import Once
from harness.stats.scan import LEAST_HISTORY, noise_before, suspect
from harness.stats.tails import normal_quantile, t_tail
from harness.stats.weights import weights_of
from harness.stats.window import Window

Floats = NDArray[np.float64]
SCALES = {
    "error_rate": ((5.0, 0.05), (10.0, 0.05), (20.0, 0.0), (40.0, 0.0)),
    "latency": ((20.0, 0.5), (40.0, 0.5)),
}
"""The lengths of windows in seconds, each with the least tolerance: in points of errors, or as a share of a latency."""
LEAST_BLOCKS = 5
HISTORY_S = 10.0
SLOWER = (2, 4)
"""The noise of latencies is looked for in windows that are so many times longer, too."""
_MEDIAN = 0.5
_LEAST_PRECISION = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class SuddenHarm:
    """A window that proves harm beyond the tolerance, what was measured in it, and the ``tail`` that a proof needed."""

    window: Window
    measured: Measurement
    tail: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSeries:
    """Each block's contribution, with its variance, both of shape (b,), and how precisely it shows a shift."""

    excess: Floats
    variance: Floats
    precision: float


History = Callable[[], tuple[NoiseSeries, ...]]


def sudden_harm(objective: Objective, view: PhaseView) -> SuddenHarm | None:
    """Return the shortest window that proves harm, or None."""
    if objective.kind not in SCALES or objective.interaction or not objective.tolerates:
        return None
    if view.look.planned_s < SUDDEN_FROM_S or view.scene.window.weights is None:
        return None
    scales, window = SCALES[objective.kind], view.scene.window
    with_history = [(length_s, least) for length_s, least in scales if _is_long_enough(window, length_s)]
    leasts = dict.fromkeys(least for _, least in with_history)
    made = {least: _contributions(_at_least(objective, least), window) for least in leasts}
    for length_s, least in with_history:
        parts = made[least]
        if parts is None:
            continue
        found = _in_windows(objective, view, length_s, least, parts=parts, part=SUDDEN_PART / len(scales))
        if found is not None:
            return found
    return None


def _is_long_enough(window: Window, length_s: float) -> bool:
    """Whether a window of this length has enough blocks, and the phase enough for its history."""
    length = round(length_s / window.block_s)
    return length >= LEAST_BLOCKS and len(window.blocks) >= (LEAST_HISTORY + 1) * length


def _in_windows(
    objective: Objective, view: PhaseView, length_s: float, least: float, *, parts: tuple[Floats, Floats], part: float
) -> SuddenHarm | None:
    """Return the window of this length that proves harm, or None.

    least: the least tolerance. parts: each block's contribution, with its variance. part: of the objective's alpha.
    """
    window = view.scene.window
    length = round(length_s / window.block_s)
    step = length // LEAST_BLOCKS
    tail = view.alpha * part / max(view.look.planned_s / window.block_s / step, 1.0)
    found = suspect(*parts, length, step=step, least=normal_quantile(tail))
    if found is None or t_tail(found.z / found.factor**0.5, found.degrees) > tail:
        return None
    stretch = window.between(found.first, found.last)
    measured = _measured(_at_least(objective, least), view, stretch, factor=found.factor)
    if measured is None or max(measured.chances.harm, measured.chances.beyond) > tail:
        return None
    shown = _measured(objective, view, stretch, factor=found.factor)  # against the tolerance that people know
    return None if shown is None else SuddenHarm(window=stretch, measured=shown, tail=tail)


def history_of(objective: Objective, view: PhaseView) -> History:
    """Return what gives the series of the whole phase that show noise: the objective's own one first."""
    window = view.scene.window

    @Once
    def history() -> tuple[NoiseSeries, ...]:
        if objective.kind not in SCALES or objective.interaction:
            return ()
        own = objective.quantile or _MEDIAN
        shared = objective.kind == "latency" and own <= max(COMMON)
        series = []
        for quantile in dict.fromkeys((own, *(COMMON if shared else ()))):
            parts = _contributions(replace(objective, quantile=quantile) if shared else objective, window)
            scale = precision(window.standard, quantile) if shared else 1.0
            if parts is not None and (quantile == own or scale > 0):
                series.append(NoiseSeries(excess=parts[0], variance=parts[1], precision=max(scale, _LEAST_PRECISION)))
        return tuple(series)

    return history


def is_rare(objective: Objective) -> bool:
    """Return whether a few pauses make the quantile, so that two more of them in one arm look like harm."""
    return objective.quantile is not None and objective.quantile > max(COMMON)


def with_history(objective: Objective, view: PhaseView, first: int, history: History, *, clear: bool = False) -> Scene:
    """Return the scene of the stretch from block ``first`` on, with at least the noise of the time before it.

    The noise of a stretch alone is too small if the blocks before it show what it has not seen yet, such as pauses. An
    arm may be slow for longer than a pause, so the noise of latencies is also looked for in longer windows.

    clear: leave the time from the start of the stretch before this one out of the history. Harm that began in it would
    be noise: it hides itself if it is large. A quantile that pauses make (``is_rare``) needs all of the history, and is
    judged as cautiously as without any.
    """
    rare = is_rare(objective)
    window = view.scene.window
    scene = replace(view.scene, window=window.since(first))
    series, length = history(), round(HISTORY_S / window.block_s)
    if not series:
        return scene
    before = max(first - round(large_every_s(view.look.planned_s) / window.block_s), 0) if clear and not rare else first
    lasting = objective.kind == "latency"
    own, *others = series
    factor = _factor_before(own, length, before, lasting=lasting)
    for other in others:
        excess = _factor_before(other, length, before, lasting=lasting) - 1
        factor = max(factor, 1 + shared_noise(excess, own.precision, other.precision))
    return _noisy(objective, replace(scene, windows_before=0 if rare else 2 * before // length), factor=factor)


def _factor_before(series: NoiseSeries, length: int, first: int, *, lasting: bool) -> float:
    """Return how much noisier the time before block ``first`` was than independent requests.

    lasting: whether noise may last for longer than a window of this length.
    """
    factors = [noise_before(series.excess, series.variance, length, first)]
    if lasting:
        longer = [length * times for times in SLOWER]
        factors += [noise_before(series.excess, series.variance, one, first, certain=False) for one in longer]
    return max(factors)


def _measured(objective: Objective, view: PhaseView, stretch: Window, *, factor: float) -> Measurement | None:
    return measure(objective, _noisy(objective, replace(view.scene, window=stretch), factor=factor))


def _noisy(objective: Objective, scene: Scene, *, factor: float) -> Scene:
    """Return a scene in which the overdispersion is at least ``factor``."""
    window = scene.window.standard
    weights = weights_of(window.requests) if objective.kind == "error_rate" else window.weights
    if weights is None:
        return scene
    return replace(scene, excess=max(scene.excess, (factor - 1) * window.seconds / weights.total))


def _at_least(objective: Objective, least: float) -> Objective:
    """Return the objective with a tolerance of at least ``least``: in points of errors, or as a share of a latency."""
    if objective.kind == "error_rate":
        return replace(objective, absolute=max(objective.absolute or 0.0, least)) if least > 0 else objective
    return replace(objective, relative=max(objective.relative or 0.0, least))


def _contributions(objective: Objective, window: Window) -> tuple[Floats, Floats] | None:
    """Return each block's excess of canary events beyond the tolerance, and its variance; both have shape (b,).

    The variance is that of a canary exactly at its tolerance, with the rates of the whole phase.
    """
    window = window.standard
    found = _errors(objective, window) if objective.kind == "error_rate" else _slow(objective, window)
    weights = window.weights if found.trials is window.latencies.answered else weights_of(found.trials)
    if weights is None:
        return None
    trials = np.where(found.trials > 0, found.trials, 1)
    shares = found.events / trials
    excess = weights.by_block * (shares[CANARY] - shares[BASELINE] - found.margin)
    spread = np.array([[rate * (1 - rate)] for rate in found.rates]) / trials
    return excess, weights.by_block**2 * spread.sum(axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Events:
    """Events and trials by arm and block (shape (2, b)), the tolerated difference of shares, and the arms' rates."""

    events: Floats
    trials: Floats
    margin: float
    rates: tuple[float, float]


def _errors(objective: Objective, window: Window) -> _Events:
    """Return the failed requests; half an error is added, so that no rate is zero."""
    rate = float((window.failed[BASELINE].sum() + 0.5) / (window.requests[BASELINE].sum() + 1))
    margin = max(objective.absolute or 0.0, (objective.relative or 0.0) * rate)
    return _Events(events=window.failed, trials=window.requests, margin=margin, rates=(rate, min(rate + margin, 1.0)))


def _slow(objective: Objective, window: Window) -> _Events:
    """Return the requests above the baseline's quantile, which is moved by the tolerance for the canary."""
    share, latencies = 1 - (objective.quantile or _MEDIAN), window.latencies
    place = crossing(window.survival[BASELINE], share)
    absolute = (objective.absolute or 0.0) / latency_at(latencies.first_bin + place)
    moved = place + shift(1 + max(objective.relative or 0.0, absolute))
    events = np.stack([latencies.above(BASELINE, place), latencies.above(CANARY, moved)])
    return _Events(events=events, trials=latencies.answered, margin=0.0, rates=(share, share))
