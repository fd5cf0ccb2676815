"""Harm that begins late or lasts for seconds is found soon, and what both arms suffer is no harm."""

import numpy as np
import pytest

from harness.judge import compare
from harness.model.verdict import Verdict
from harness.stats import contrast
from harness.stats.scan import noise_before, suspect
from harness.stats.tails import bounded_tail, normal_quantile

SECONDS, RATE = 200.0, (160, 60)
OBJECTIVES = ("latency_p50 < +10%", "latency_p99 < +50%", "error_rate < +1pp")


def arms(seed, *, failing=(), slow=(), factor=3.0):
    """Two arms of equal builds, and stretches (arm, start, end) in which requests fail or take ``factor`` as long."""
    rng = np.random.default_rng(seed)
    found = []
    for number, rate in enumerate(RATE):
        time_s = np.sort(rng.uniform(0, SECONDS, int(SECONDS * rate)))
        latency_s = 0.02 * rng.lognormal(0, 0.4, len(time_s))
        status = np.where(rng.random(len(time_s)) < 0.004, 503, 200)
        for arm, start, end in failing:
            status[(arm == number) & (time_s >= start) & (time_s < end)] = 503
        for arm, start, end in slow:
            latency_s[(arm == number) & (time_s >= start) & (time_s < end)] *= factor
        found.append({"time_s": time_s, "latency_s": latency_s, "status": status})
    return found


def look(columns, now_s):
    """Return the analysis of what was seen by ``now_s`` seconds."""
    seen = [{name: column[arm["time_s"] < now_s] for name, column in arm.items()} for arm in columns]
    return compare(*seen, OBJECTIVES, horizon_s=SECONDS, now_s=now_s)


@pytest.mark.parametrize("onset", [37.0, 65.0, 95.0, 131.0, 190.0])
def test_an_outage_is_found_within_seven_seconds_wherever_it_begins(onset):
    """The time before an outage does not dilute it, and the error rate is blamed."""
    columns = arms(int(onset), failing=[(1, onset, SECONDS)])
    assert Verdict.FAIL is not look(columns, onset).verdict
    found = look(columns, onset + 7)
    assert Verdict.FAIL is found.verdict
    assert found.reason.startswith("error_rate in the steady phase (from ")


def test_a_crash_of_six_seconds_fails_also_at_the_end_of_the_run():
    """A crash that is over does not go unseen, and the reason says when it was."""
    found = look(arms(3, failing=[(1, 95.0, 101.0)]), SECONDS)
    assert Verdict.FAIL is found.verdict
    assert "error_rate in the steady phase (from 95 s to 100 s after its start)" in found.reason


@pytest.mark.parametrize("onset", [70.0, 110.0, 165.0])
def test_sudden_slowness_is_found_within_half_a_minute(onset):
    """Three times the latency from the middle of a phase on."""
    assert Verdict.FAIL is look(arms(int(onset), slow=[(1, onset, SECONDS)]), onset + 28).verdict


@pytest.mark.parametrize("onset", [17.0, 44.0, 65.0, 81.0, 101.0, 138.0, 155.0])
def test_slowness_below_what_short_windows_see_is_found_wherever_it_begins(onset):
    """A third more latency: what the harm did before a stretch begins is not taken for the noise of equal arms."""
    columns = arms(int(onset), slow=[(1, onset, SECONDS)], factor=1.35)
    assert Verdict.FAIL is look(columns, onset + 40).verdict


@pytest.mark.parametrize("trouble", [
    {"failing": [(0, 95, 101), (1, 95, 101)]},
    {"failing": [(0, 50, 53), (1, 90, 93)]},
    {"slow": [(0, 60, 90), (1, 60, 90)]},
    {"slow": [(1, 120, 123)]},
    {"slow": [(arm, start + 20 * arm, start + 20 * arm + 5) for arm in (0, 1) for start in range(5, 180, 40)]},
])  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_what_both_arms_suffer_or_lasts_a_moment_does_not_fail(trouble, seed):
    """Shared trouble, single short bursts, and pauses that both arms have at different times."""
    columns = arms(seed, **trouble)
    assert all(Verdict.FAIL is not look(columns, now_s).verdict for now_s in (54.0, 94.0, 105.0, 125.0, SECONDS))


@pytest.mark.parametrize("start", [60.0, 140.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_burst_of_ten_seconds_where_a_stretch_starts_does_not_fail(seed, start):
    """Twice the latency for ten seconds of one arm, once: a stretch is not judged while that is half of it."""
    columns = arms(seed, slow=[(1, start, start + 10)], factor=2.0)
    seen = [{name: column[arm["time_s"] < start + 20] for name, column in arm.items()} for arm in columns]
    analysis = compare(*seen, ["latency_p90 < +10%", "latency_p99 < +25%"], horizon_s=SECONDS, now_s=start + 20)
    assert analysis.verdict is not Verdict.FAIL


@pytest.mark.parametrize("pauses", [
    [(0, 7.5), (1, 12.5), (1, 33.5), (1, 55.3)],
    [(0, 8.5), (1, 26.5), (1, 27.9), (1, 47.5), (1, 54.6)],
])  # fmt: skip
@pytest.mark.parametrize("seed", range(4))
def test_some_pauses_more_in_one_arm_do_not_fail(pauses, seed):
    """A few pauses of a second make the 99th percentile of a stretch; by chance, more of them are the canary's."""
    columns = arms(seed, slow=[(arm, start, start + 1.0) for arm, start in pauses], factor=20.0)
    assert all(Verdict.FAIL is not look(columns, now_s).verdict for now_s in (40.0, 60.0, 70.0, 80.0, SECONDS))


def test_windows_are_compared_with_the_noise_before_them():
    """Blocks whose noise cancels over a window's length are calm, others are as noisy as they are."""
    calm = np.tile([3.0, -3.0, 3.0, -3.0, 0.0], 12)
    wild = np.repeat([9.0, -9.0, 9.0, -9.0] * 3, 5)
    ones = np.ones(60)
    assert noise_before(calm, ones, 5, 50) < noise_before(wild, ones, 5, 50)
    harm = calm.copy()
    harm[50:55] += 4.0
    found = suspect(harm, ones, 5)
    assert found is not None
    assert (50, 55, 0.0) == (found.first, found.last, harm[50:55].sum() - 20.0)
    assert found.factor == pytest.approx(noise_before(harm, ones, 5, 50))
    assert found.z / found.factor**0.5 > 5.0
    assert suspect(np.ones(24), np.ones(24), 5) is None


@pytest.mark.parametrize(("alpha", "ratio"), [(0.05, 10.0), (0.01, 60.0)])
def test_repeated_looks_between_two_times_keep_alpha(alpha, ratio):
    """Brownian motion, looked at 400 times between two times, crosses the limit with probability alpha at most."""
    rng = np.random.default_rng(4)
    times = np.geomspace(1.0, ratio, 400)
    steps = np.sqrt(np.diff(np.concatenate(([0.0], times))))
    paths = np.cumsum(rng.standard_normal((20_000, 400)) * steps, axis=1) / np.sqrt(times)
    tail = bounded_tail(alpha, ratio)
    crossed = float((paths.max(axis=1) > normal_quantile(tail)).mean())
    assert 0.5 * alpha < crossed < 1.1 * alpha
    assert tail < alpha


def test_rounding_of_curves_does_not_stop_the_judge():
    """A bin whose neighbours have minus nothing, by rounding, holds no ties."""
    curve = np.array([1.0, 0.6, 0.3 - 1e-16, 0.3, 0.3 + 1e-16, 0.3 + 2e-16, 0.0])
    assert all(0.0 <= contrast._ties(curve, place, 100.0) <= 1.0 for place in (1.0, 2.0, 2.5, 3.0, 3.5, 4.0))
