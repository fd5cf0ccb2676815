"""Checks that every indicator must pass, for the built-in ones and for those that a test defines."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from harness.judge.assumed import Assumed
from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.bucket_quantile import BucketQuantile
from harness.judge.indicators.counter_ratio import CounterRatio
from harness.judge.indicators.interaction import Interaction
from harness.judge.indicators.port import Indicator, Interval, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, Source
from harness.model.objective import Objective, parse_objective
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Series
from harness.model.samples import Samples
from harness.model.server_indicator import series_key
from harness.stats.table import reduce_samples
from harness.stats.window import Window, window_of

STEADY_S, PHASE_S, RATE_RPS = 60.0, 60.0, 400
MARGINS = (0.02, 0.1, 0.3, 1.0, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """How much worse the canary is in each respect that an indicator may measure; 1 is equal."""

    factor: float = 1.0

    def samples(self, *, seed: int = 1, without: str = "") -> Samples:
        """Requests of a phase: latencies, errors, missing requests and a slow return after the fault get worse."""
        rng = np.random.default_rng(seed)
        count = int(PHASE_S * RATE_RPS)
        canary = rng.random(count) < 0.5 / self.factor
        due_s = np.sort(rng.uniform(0, PHASE_S, count))
        late = due_s < np.where(canary, 10 * (self.factor - 1), 0)
        latency_s = rng.lognormal(np.log(0.2), 0.8, count) * np.where(canary, self.factor, 1.0) * np.where(late, 20, 1)
        failed = rng.random(count) < 0.01 * np.where(canary, self.factor**2, 1.0)
        kept = canary != (without == "canary") if without else np.ones(count, bool)
        columns = {
            "due_s": due_s, "latency_s": latency_s, "late_s": np.zeros(count), "arm": canary.astype(np.int8),
            "status": np.where(failed, 503, 200).astype(np.int16), "operation": np.zeros(count, np.int16),
            "error": np.zeros(count, np.int16), "size": np.zeros(count, np.int32),
        }  # fmt: skip
        return Samples(**{key: value[kept] for key, value in columns.items()}, operations=("/",), errors=("",))

    def window(self, name: str, *, seed: int = 1, without: str = "") -> Window:
        """The same requests, reduced."""
        samples = self.samples(seed=seed, without=without)
        phase = Phase(name=name, kind=PhaseKind.STEADY, start_s=0.0, end_s=PHASE_S)
        return window_of(reduce_samples(samples, (phase,), block_s=0.5), name, span_s=(0.0, PHASE_S))

    def series(self, indicator: Indicator, objective: Objective) -> tuple[Series, ...]:
        """Readings of the series that the indicator needs."""
        rng = np.random.default_rng(2)
        at_s = tuple(np.arange(0, PHASE_S).tolist())
        direction = -1 if objective.direction is Direction.DECREASE else 1
        return *self.counters(indicator, objective), *tuple(
            Series(
                name=name, arm=arm, unit="MB", source="made", at_s=at_s, values=tuple(level * rng.normal(1, 0.01, 60))
            )
            for name in indicator.needs(objective).series
            for arm, level in (("baseline", 100.0), ("canary", 100.0 * self.factor**direction))
        )

    def counters(self, indicator: Indicator, objective: Objective) -> Iterator[Series]:
        """The counters behind a ratio, and the buckets behind a quantile, of the server side."""
        rng, at_s = np.random.default_rng(4), tuple(np.arange(0, PHASE_S).tolist())
        worse = self.factor if objective.direction is Direction.INCREASE else 1 / self.factor
        for arm, factor in (("baseline", 1.0), ("canary", worse)):
            made: dict[str, list[float]] = {}
            if isinstance(indicator, CounterRatio):
                trials = rng.poisson(400, len(at_s))
                made = {"#events": rng.binomial(trials, 0.3 * factor).tolist(), "#of": trials.tolist()}
            if isinstance(indicator, BucketQuantile):
                edges = 0.001 * 2 ** (np.arange(0, 121) / 8)
                latency_s = rng.lognormal(np.log(0.2), 0.8, (len(at_s), 400)) * factor
                counts = np.stack([np.histogram(one, edges)[0] for one in latency_s])
                made = {
                    f"#{low:.9g}..{high:.9g}": counts[:, bucket].tolist()
                    for bucket, (low, high) in enumerate(pairwise(edges))
                }
            for suffix, values in made.items():
                name = f"{series_key(objective)}{suffix}"
                yield Series(name=name, arm=arm, unit="native", source="made", at_s=at_s, values=tuple(values))

    def scene(self, indicator: Indicator, objective: Objective) -> Scene:
        """A phase, after a steady one with equal arms."""
        return Scene(
            window=self.window("fault"), share=0.5, steady=Worse().window("steady", seed=3),
            series=self.series(indicator, objective), end_s=PHASE_S, samples=self.samples(),
            hits=tuple(int((self.samples().arm == arm).sum()) // 4 for arm in (0, 1)),
        )  # fmt: skip


def objectives(indicator: Indicator) -> Iterator[Objective]:
    """An objective for every direction that the indicator has, with its example as the tolerance."""
    spec = indicator.spec
    name = spec.names.partition(" ")[0].replace("NAME", "memory")
    amount = re.sub(r"^[+-]", "", spec.example.split(" or ")[0])
    for worse in spec.worse:
        condition = {Direction.INCREASE: f"< +{amount}", Direction.DECREASE: f"> -{amount}"}.get(
            worse, f"within {amount}"
        )
        yield parse_objective(f"{name} {condition}", [spec])


def check_spec(indicator: Indicator) -> None:
    """Check that its names can be parsed, that its example is a tolerance, and what it says about itself."""
    assert list(objectives(indicator))
    for objective in objectives(indicator):
        assert (indicator.spec.kind, True) == (objective.kind, objective.tolerates)
        assert isinstance(indicator.needs(objective), Needs)
        assert bool(indicator.needs(objective).series) == (indicator.spec.source is Source.SERIES)
    for short in (False, True):
        assert indicator.show(0.02, short=short).strip() != indicator.show(0.9, short=short).strip()
    assert 0 < indicator.alpha_weight < 100
    assert indicator.counted
    assert indicator.restarts in {False, True}


def check_contrast(indicator: Indicator) -> None:
    """Check that equal arms prove nothing, that a worse canary does, and how margins move the evidence."""
    for objective in objectives(indicator):
        relative = objective.relative is not None
        equal = found(indicator, objective, Worse())
        worse = found(indicator, objective, Worse(factor=1.7))
        assert equal.harm_tail(None, relative=relative) > 1e-3 > worse.harm_tail(None, relative=relative)
        check_tails(worse, relative=relative)
        assert worse.method
        assert worse.degrees > 0
        assert min(worse.baseline.n, worse.canary.n) > 0
        estimate, (low, high) = worse.estimate(relative=relative), worse.interval(0.025, relative=relative)
        assert estimate is not None
        assert low <= estimate <= high
        assert (low, high) != (-math.inf, math.inf)
        limits = [worse.limit_tails(limit) for limit in (worse.canary.value * 0.5, worse.canary.value * 1.5)]
        if objective.direction is not Direction.DECREASE:
            assert limits[0][0] < 0.5 < limits[1][0]
            assert limits[1][1] < 0.5 < limits[0][1]


def found(indicator: Indicator, objective: Objective, worse: Worse) -> TailEvidence:
    """Return the evidence, which must exist."""
    evidence = indicator.contrast(objective, worse.scene(indicator, objective))
    assert evidence is not None
    return evidence


def check_tails(evidence: TailEvidence, *, relative: bool) -> None:
    """Check that a wider margin shows less harm and more of being within it, as probabilities."""
    harm = [evidence.harm_tail(margin, relative=relative) for margin in MARGINS]
    within = [evidence.within_tail(margin, relative=relative) for margin in MARGINS]
    assert harm == sorted(harm)
    assert within == sorted(within, reverse=True)
    assert all(0 <= tail <= 1 for tail in (*harm, *within))
    assert harm[0] < harm[-1]


def check_missing_arm(indicator: Indicator) -> None:
    """Check that one arm alone gives no evidence, except for the split, where it is the evidence."""
    for objective in objectives(indicator):
        whole = Worse().scene(indicator, objective)
        one = replace(
            whole,
            window=Worse().window("fault", without="canary"),
            samples=Worse().samples(without="canary"),
            series=tuple(series for series in whole.series if series.arm == "baseline"),
        )
        evidence = indicator.contrast(objective, one)
        assert evidence is None or (indicator.needs(objective).canary_share and evidence.canary.value == 0)


def check_prediction(indicator: Indicator) -> None:
    """Check that more requests show smaller differences, and that no requests predict nothing."""
    for objective in objectives(indicator):
        few, many = (
            indicator.predict(objective, Expected(weight=weight, blocks=60, assumed=Assumed())) for weight in (1e3, 1e5)
        )
        assert (few is None) == (many is None)
        assert indicator.predict(objective, Expected(weight=0.0, blocks=0.0)) is None
        if few is not None and many is not None:
            assert few.fails_from(1e-3, power=0.95) > many.fails_from(1e-3, power=0.95) > 0
            assert few.passes_from(0.025, power=0.95) > many.passes_from(0.025, power=0.95) > 0
            assert few.relative or objective.relative is None
            for asked, smallest in (
                (few.fails, few.fails_from(1e-3, power=0.95)),
                (few.passes, few.passes_from(1e-3, power=0.95)),
            ):
                assert [False, True] == [asked(smallest * factor, 1e-3, power=0.95) for factor in (0.98, 1.02)]


def check_in_interval(indicator: Indicator) -> None:
    """Check that an interval with data has a finite value, and an empty one none, or zero."""
    if indicator.in_interval is None:
        return
    some = Interval(
        latency_s=np.array([0.1, 2.0]), failed=np.array([False, True]), readings=np.array([3.0, 4.0]), seconds=5.0,
        status=np.array([200, 503], np.int16),
    )  # fmt: skip
    none = Interval(latency_s=np.empty(0), failed=np.empty(0, bool), readings=np.empty(0), seconds=5.0)
    for objective in objectives(indicator):
        assert math.isfinite(indicator.in_interval(objective, some))
        assert not indicator.in_interval(objective, none) > 0


def check_interaction(indicator: Indicator) -> None:
    """Check that an indicator inside ``interaction(...)`` finds a fault that hurts the canary more."""
    if not indicator.spec.interaction:
        return
    outer = Interaction(inner=indicator)
    for objective in objectives(indicator):
        crossed = replace(objective, interaction=True)
        evidence = outer.contrast(crossed, Worse(factor=1.7).scene(indicator, crossed))
        assert isinstance(evidence, RootEvidence)
        assert evidence.harm_tail(None, relative=objective.relative is not None) < 1e-3
        assert outer.needs(crossed).steady


CHECKS: tuple[Callable[[Indicator], None], ...] = (
    check_spec,
    check_contrast,
    check_missing_arm,
    check_prediction,
    check_in_interval,
    check_interaction,
)
