"""Properties of the default judge that hold for any finite samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge import compare
from harness.model.verdict import Verdict

OBJECTIVES = (
    "latency_p50 < +10%",
    "latency_p99.9 < +10% or +5ms and < 2s",
    "latency_p90 < 500ms",
    "error_rate < +0.5pp",
    "error_rate < +50%",
    "error_rate < 1%",
    "throughput > -10%",
    "split within 5pp",
    "interaction(latency_p90) < +10%",
    "interaction(error_rate) < +1pp",
    "recovery_time < +2s",
    "gauge:cpu < +20%",
)
BIN_CENTRES = [1e-6 * 1.01 ** (number + 0.5) for number in (0, 700, 1000, 1001, 1050, 1400, 2400)]
ANY_LATENCY = st.sampled_from(BIN_CENTRES) | st.floats(0, 1e6)
PHASES = ("warm-up", "steady", "fault", "recovery")
SHARES = st.sampled_from([0.1, 0.5, 0.9])


@st.composite
def arms(draw, latencies=ANY_LATENCY):
    """Columns of one arm: 0 to 60 requests in up to four phases of ten seconds."""
    count = draw(st.integers(0, 60))
    seed = draw(st.integers(0, 2**16))
    kind = draw(st.sampled_from(["mixed", "equal", "failed"]))
    rng = np.random.default_rng(seed)
    values = draw(st.lists(latencies, min_size=1, max_size=4))
    time = rng.uniform(0, 40, count)
    latency = rng.choice(values[:1] if kind == "equal" else values, count)
    status = rng.choice([500, 0] if kind == "failed" else [200, 200, 404, 503, 0], count)
    phase = np.array([PHASES[int(at // 10)] for at in time], dtype=str)
    return {"time_s": time, "latency_s": latency, "status": status, "phase": phase}


def judged(baseline, canary, **options):
    """Both arms judged by every kind of objective."""
    return compare(baseline, canary, OBJECTIVES, **({"canary_share": 0.5} | options))


@settings(max_examples=60, deadline=None)
@given(arms(), arms(), SHARES, st.booleans(), st.sampled_from(["any-harm", "beyond-tolerance"]))
def test_finite_samples_never_raise(baseline, canary, share, final, fail_on):
    """Any finite samples get one of the four verdicts, a score from 0 to 100, and every lost point accounted for."""
    analysis = judged(baseline, canary, canary_share=share, horizon_s=50, now_s=30, final=final, fail_on=fail_on)
    assert 0 <= analysis.score <= 100
    if analysis.findings:
        assert abs(100 - analysis.score - sum(finding.points_lost for finding in analysis.findings)) < 1e-6


@settings(max_examples=30, deadline=None)
@given(arms(), arms(), st.integers(0, 1000))
def test_the_order_of_samples_does_not_matter(baseline, canary, seed):
    """Rows in a different order give the same analysis."""
    rng = np.random.default_rng(seed)
    mixed = [{name: column[order] for name, column in arm.items()} for arm, order in _orders(baseline, canary, rng)]
    assert judged(baseline, canary) == judged(*mixed)


def _orders(baseline, canary, rng):
    return [(arm, rng.permutation(len(arm["time_s"]))) for arm in (baseline, canary)]


@settings(max_examples=30, deadline=None)
@given(arms(st.sampled_from(BIN_CENTRES[:-1])), arms(st.sampled_from(BIN_CENTRES[:-1])), st.integers(-5, 90))
def test_scaling_latencies_scales_only_the_latencies(baseline, canary, steps):
    """All latencies times a factor give the same verdict and relative differences; values scale by the factor."""
    factor = 1.01 ** max(steps, 0)
    texts = ["latency_p50 < +10%", "latency_p99 < +20%", "error_rate < +1pp"]
    before = compare(baseline, canary, texts)
    after = compare(*({**arm, "latency_s": arm["latency_s"] * factor} for arm in (baseline, canary)), texts)
    assert [finding.verdict for finding in before.findings] == [finding.verdict for finding in after.findings]
    for old, new in zip(before.findings, after.findings, strict=True):
        scale = factor if old.objective.quantile else 1.0
        assert (old.canary is None) == (new.canary is None)
        if old.canary is not None:
            np.testing.assert_allclose(new.canary.value, old.canary.value * scale, rtol=1e-6)
        if old.difference is not None:
            np.testing.assert_allclose(new.difference, old.difference, rtol=1e-6, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(arms(), arms(), st.sampled_from(["any-harm", "beyond-tolerance"]))
def test_two_arms_are_never_both_worse(one, other, fail_on):
    """Two arms never both fail against each other, unless a limit is set."""
    texts = ["latency_p50 < +10%", "latency_p99 < +20%"]
    there, back = compare(one, other, texts[:1], fail_on=fail_on), compare(other, one, texts[:1], fail_on=fail_on)
    assert {there.verdict, back.verdict} != {Verdict.FAIL}


@settings(max_examples=30, deadline=None)
@given(arms())
def test_identical_arms_never_fail(arm):
    """Equal requests in both arms never fail."""
    texts = [text for text in OBJECTIVES if "and" not in text and "500ms" not in text and "1%" not in text[-3:]]
    assert compare(arm, arm, texts, canary_share=0.5, fail_on="any-harm").verdict is not Verdict.FAIL
