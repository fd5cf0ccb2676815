"""A stream that fills its horizon is final, whether or not the caller says what time it is."""

import numpy as np
import pytest

from harness.judge import compare
from harness.model.verdict import Verdict

WIDE = ["latency_p50 < +50%", "error_rate < +5pp"]
SECONDS = 60.0


def arm(seed, *, until=SECONDS, rate=50.0):
    """Requests at random times before ``until`` seconds, all answered."""
    rng = np.random.default_rng(seed)
    time_s = np.sort(rng.uniform(0, SECONDS, int(SECONDS * rate)))
    time_s = np.concatenate(([0.0], time_s[time_s < until]))
    latency_s = 0.02 * rng.lognormal(0, 0.3, len(time_s))
    return {"time_s": time_s, "latency_s": latency_s, "status": np.full(len(time_s), 200)}


@pytest.mark.parametrize("seed", range(5))
def test_a_complete_stream_is_final_without_a_clock(seed):
    """Judging all requests of a run with its horizon gives the same answer as saying that it is over."""
    arms = arm(seed), arm(seed + 100)
    analysis = compare(*arms, WIDE, horizon_s=SECONDS)
    assert (True, Verdict.PASS) == (analysis.final, analysis.verdict)
    assert compare(*arms, WIDE, horizon_s=SECONDS, now_s=SECONDS) == analysis


@pytest.mark.parametrize(("until", "rate"), [(30.0, 50.0), (56.0, 50.0), (56.0, 0.5)])
def test_a_stream_that_ends_early_is_not_final(until, rate):
    """A gap before the horizon that chance does not explain, or more than a twentieth of it, is no end."""
    analysis = compare(arm(1, until=until, rate=rate), arm(2, until=until, rate=rate), WIDE, horizon_s=SECONDS)
    assert analysis.final is False


def test_a_clock_is_believed():
    """A caller who gives the time gets an interim answer until that time reaches the horizon."""
    assert compare(arm(1), arm(2), WIDE, horizon_s=SECONDS, now_s=59.9).final is False


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_a_complete_stream_of_a_coarse_clock_is_final(decimals):
    """Times that were cut to seconds or to a part of them end up to one tick before the horizon."""
    arms = [arm(seed, rate=500.0) for seed in (1, 2)]
    cut = [{**each, "time_s": np.floor(each["time_s"] * 10**decimals) / 10**decimals} for each in arms]
    assert compare(*cut, WIDE, horizon_s=SECONDS).final is True
    assert compare(*cut, WIDE, horizon_s=SECONDS + 2.5).final is False


def test_arms_that_answer_nothing_are_told_so():
    """The finding about latencies says that every request failed; without names of endpoints, none is named."""
    good, bad = arm(1), arm(2)
    bad["status"] = np.full(len(bad["time_s"]), 503)
    both = compare({**good, "status": np.full(len(good["time_s"]), 503)}, bad, WIDE, horizon_s=SECONDS)
    assert "every request of the baseline and the canary failed" in both.findings[0].reason
    one = compare(good, bad, WIDE, horizon_s=SECONDS)
    assert "every request of the canary failed" in one.findings[0].reason
    assert "the canary fails requests that the baseline answers: all of them: 100 % against 0 %" in one.warnings
