"""Properties that hold for any numbers: no errors, deterministic results, and symmetry."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kayenta_builders import USUAL, config, evidence, pair, plan, samples

from harness.judge.kayenta import judge_pairs
from harness.judge.kayenta.classify import Label, prepare
from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.kayenta.printed import as_json
from harness.judge.kayenta.rules import Rules
from harness.judge.limits import LimitsJudge
from harness.judge.port import Judge
from harness.model.verdict import Verdict
from harness.stats.mann_whitney import common_language_effect, shift_interval

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
ANY = st.floats(allow_nan=True, allow_infinity=True)
TIED = st.integers(-3, 3).map(float)
SERIES = st.lists(FINITE, max_size=12) | st.lists(TIED, max_size=12)
SMALL = st.lists(st.integers(-1000, 1000).map(lambda number: number / 8), min_size=2, max_size=15)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "direction": st.sampled_from(["increase", "decrease", "either"]),
        "nanStrategy": st.sampled_from(["remove", "replace"]),
        "critical": st.booleans(),
        "mustHaveData": st.booleans(),
        "outliers": st.just({"strategy": "remove"}),
        "effectSize": st.sampled_from([{"measure": "cles"}, {"allowedIncrease": 1.2, "allowedDecrease": 0.8}]),
    },
)


@settings(max_examples=80, deadline=None)
@given(control=SERIES | st.lists(ANY, max_size=8), experiment=SERIES | st.lists(ANY, max_size=8), canary=RULES)
def test_any_numbers_are_judged_the_same_twice(
    control: list[float], experiment: list[float], canary: dict[str, object]
) -> None:
    """Any two series, NaN and infinities included, get one of the six classes, and the same one again.

    Kayenta itself is random on two constant series; here that noise is seeded, so even they repeat.
    """
    first, second = (as_json(judge_pairs(config(**canary), [pair(control, experiment)], USUAL)) for _ in range(2))
    assert first == second
    assert first["results"][0]["classification"] in set(Label)


@settings(max_examples=60, deadline=None)
@given(control=SMALL, experiment=SMALL, data=st.data())
def test_the_order_of_points_does_not_matter(
    control: list[float], experiment: list[float], data: st.DataObject
) -> None:
    """Shuffled points give the same interval."""
    x, y = np.array(experiment), np.array(control)
    if np.unique(np.concatenate((x, y))).size < 3:
        return
    shuffled = shift_interval(np.array(data.draw(st.permutations(experiment))), y, 0.98)
    assert shift_interval(x, y, 0.98) == shuffled


@settings(max_examples=60, deadline=None)
@given(control=SMALL, experiment=SMALL)
def test_the_interval_lies_between_the_extreme_differences(control: list[float], experiment: list[float]) -> None:
    """Interval and estimate are differences that the points could have, and the effect is a share."""
    x, y = np.array(experiment), np.array(control)
    if np.unique(x).size < 2 or np.unique(y).size < 2:
        return
    found = shift_interval(x, y, 0.98)
    least, most = x.min() - y.max(), x.max() - y.min()
    assert least <= found.low <= found.high + 1e-3
    assert found.high <= most
    assert least <= found.estimate <= most
    assert 0 <= common_language_effect(x, y) <= 1


@settings(max_examples=60, deadline=None)
@given(points=st.lists(ANY, max_size=30))
def test_preparation_leaves_no_gaps(points: list[float]) -> None:
    """No NaN survives, and nothing is added."""
    for replace in (False, True):
        prepared = prepare(np.array(points, float), Rules(replace_nan=replace))
        assert not np.isnan(prepared).any()
        assert prepared.size == len(points) - (0 if replace else sum(map(math.isnan, points)))


JUDGES: tuple[Judge, ...] = (KayentaJudge(), LimitsJudge())
OBJECTIVES = ("latency_p99 < +25% and < 500ms", "error_rate < +1pp and < 5%", "throughput > -10%")


@settings(max_examples=25, deadline=None)
@given(
    requests=st.integers(0, 400),
    seconds=st.floats(1, 120),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    slower=st.floats(0, 100),
    more_errors=st.floats(0, 1),
    now_s=st.floats(0, 130),
    final=st.booleans(),
)
def test_judges_never_raise_on_finite_samples(
    *, requests: int, seconds: float, share: float, slower: float, more_errors: float, now_s: float, final: bool
) -> None:
    """Few or no requests, one arm only, huge latencies, only errors: always an analysis, the same one again."""
    seen = evidence(
        samples(requests=requests, seconds=seconds, canary_share=share, slower=slower, more_errors=more_errors)
    )
    for judge in JUDGES:
        first, second = (judge.judge(seen, plan(*OBJECTIVES), now_s=now_s, final=final) for _ in range(2))
        assert first == second
        assert 0 <= first.score <= 100
        assert final or first.verdict is not Verdict.PASS


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_swapping_equal_arms_never_fails_both(seed: int) -> None:
    """If the canary is worse than the baseline, the baseline is not worse than the canary."""
    whole = samples(requests=4_000, seed=seed)
    swapped = samples(requests=4_000, seed=seed)
    swapped.arm[:] = 1 - swapped.arm
    wanted = plan("latency_p50 < +1%", "error_rate < +0.1pp")
    verdicts = [KayentaJudge().judge(evidence(one), wanted, now_s=120, final=True) for one in (whole, swapped)]
    failed = [
        {finding.objective.text + finding.phase for finding in one.findings if finding.verdict is Verdict.FAIL}
        for one in verdicts
    ]
    assert not failed[0] & failed[1]


def test_the_order_of_samples_does_not_matter() -> None:
    """Shuffled requests give the same analysis, down to the last bit."""
    whole = samples(requests=2_000)
    shuffled = whole.where(np.random.default_rng(5).permutation(len(whole)))
    for judge in JUDGES:
        first, second = (
            judge.judge(evidence(one), plan(*OBJECTIVES), now_s=120, final=True) for one in (whole, shuffled)
        )
        assert first == second
