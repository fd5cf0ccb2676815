"""Missing evidence never leads to a pass, and odd input never decides a verdict."""

import numpy as np
import pytest

from harness.cli import judge, main
from harness.errors import JudgeInputError, ObjectiveError
from harness.judge import compare
from harness.judge.objectives import parse_objective
from harness.model.verdict import Verdict

WIDE = ["latency_p50 < +50%", "error_rate < +5pp"]


def requests(seed, *, seconds=120, rate=100, until=None, scale=0.02):
    """Requests of one arm at an even rate, without errors."""
    rng = np.random.default_rng(seed)
    time_s = np.sort(rng.uniform(0, seconds, seconds * rate))
    if until is not None:
        time_s = time_s[time_s < until]
    return {
        "time_s": time_s,
        "latency_s": scale * rng.lognormal(0, 0.3, len(time_s)),
        "status": np.full(len(time_s), 200),
    }


def test_equal_arms_pass_wide_tolerances():
    """Equal arms pass without a failed validity check."""
    assert Verdict.PASS is compare(requests(1), requests(2), WIDE).verdict


@pytest.mark.parametrize("until", [40, 100])
@pytest.mark.parametrize("silent", ["baseline", "canary"])
def test_an_arm_that_falls_silent_never_passes(silent, until):
    """The recorded requests were good; the missing ones are unknown."""
    arms = {
        name: requests(seed, until=until if name == silent else None)
        for seed, name in enumerate(("baseline", "canary"))
    }
    analysis = compare(arms["baseline"], arms["canary"], WIDE, horizon_s=120, now_s=120)
    assert Verdict.INCONCLUSIVE is analysis.verdict
    assert f"the {silent} made no request in" in analysis.reason
    assert analysis.score <= 75


def test_sparse_traffic_does_not_count_as_silence():
    """At two requests a second many blocks are empty by chance."""
    analysis = compare(requests(1, rate=2), requests(2, rate=2), WIDE)
    assert not [warning for warning in analysis.warnings if "made no request" in warning]


def test_latencies_in_another_unit_never_pass():
    """Nanoseconds read as seconds exceed the largest bin, where a threefold latency looks the same."""
    analysis = compare(requests(1, scale=2e7), requests(2, scale=6e7), WIDE)
    assert Verdict.PASS is not analysis.verdict
    assert any("are they in seconds?" in warning for warning in analysis.warnings)


@pytest.mark.parametrize("text", ["latency_p99 < +0%", "error_rate < +0pp", "latency_p50 < +0ms"])
def test_a_tolerance_of_zero_is_judged(text):
    """Equal arms without an error are judged without an exception."""
    assert compare(requests(1), requests(1), [text]).verdict in set(Verdict)


def test_one_time_far_from_all_others_is_named_with_its_row():
    """A clock that jumped would stretch the run over years."""
    odd = requests(1)
    odd["time_s"][7] = 1e9
    with pytest.raises(JudgeInputError, match=r"baseline: column time_s: row 8: expected requests within a week"):
        compare(odd, requests(2), WIDE)


def test_an_absurdly_large_tolerance_is_refused():
    """It would pass anything."""
    with pytest.raises(ObjectiveError, match="too large"):
        parse_objective("latency_p99 < +" + "9" * 400 + "%")


def test_options_of_another_judge_are_refused_not_ignored(tmp_path, capsys):
    """A request for limits must not be judged by another judge."""
    for name in ("a", "b"):
        rows = "\n".join(f"{number / 10},0.02,200" for number in range(500))
        (tmp_path / f"{name}.csv").write_text(f"time_s,latency_s,status\n{rows}\n")
    files = ["judge", "--baseline", str(tmp_path / "a.csv"), "--canary", str(tmp_path / "b.csv")]
    assert 2 == main([*files, "--judge", "limits"])
    assert 2 == main([*files, "--pass", "100"])
    assert "--judge limits" in capsys.readouterr().err


def test_an_internal_error_is_never_a_fail(monkeypatch, capsys):
    """Exit code 1 rejects a release, so an exception of the harness must not end with it."""
    monkeypatch.setattr(judge, "run", lambda args: 1 // 0)
    assert 12 == main(["judge", "latest"])
    assert "ZeroDivisionError" in capsys.readouterr().err
