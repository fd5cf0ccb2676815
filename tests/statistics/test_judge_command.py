"""The public entry points: ``harness judge`` on files, the function on arrays, calibration and power."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from simulated import SECONDS, samples_of

from harness.cli import main
from harness.errors import JudgeInputError, ObjectiveError, UsageError
from harness.judge import compare
from harness.judge.calibration import Calibration, EqualRun, calibration_json, learn, read_calibration
from harness.judge.objectives import parse_objective
from harness.judge.power import needed, visible_effects
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.verdict import Verdict

WIDE = ("latency_p50 < +15%", "latency_p90 < +15%", "error_rate < +2pp")


def arm_columns(samples, arm):
    """The columns of one arm of a simulated run."""
    mine = samples.arm == arm
    return {"time_s": samples.due_s[mine], "latency_s": samples.latency_s[mine], "status": samples.status[mine]}


def two_arms(seed=1, count=8000, **options):
    """Columns of baseline and canary."""
    samples = samples_of(seed, count=count, **options)
    return arm_columns(samples, 0), arm_columns(samples, 1)


def write(path, columns):
    """A file of requests, Parquet or CSV by its name."""
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        csv.write_csv(table, path)
    return str(path)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.PASS), (1.5, Verdict.FAIL)])
@pytest.mark.parametrize("kinds", [("parquet", "csv"), ("csv", "parquet")])
def test_two_files_are_judged(tmp_path, capsys, kinds, factor, verdict):
    """Parquet and CSV files of any load generator give a verdict, its exit code and the analysis as JSON."""
    files = [
        write(tmp_path / f"{name}.{kind}", columns)
        for name, kind, columns in zip(("old", "new"), kinds, two_arms(canary_factor=factor), strict=True)
    ]
    words = [word for text in WIDE for word in ("--objective", text)]
    assert main(["judge", "--baseline", files[0], "--canary", files[1], *words, "--json"]) == verdict.exit_code
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"] == str(verdict)
    assert [finding["objective"]["text"] for finding in printed["findings"]] == list(WIDE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("time_s,latency_s\n1,0.1\n", "found no status"),
        (
            "time_s,latency_s,status\n1,0.1,200\n2,quick,200\n",
            "column latency_s: row 2: expected a number, found 'quick'",
        ),
        ("time_s,latency_s,status\n1,,200\n", "column latency_s: row 1"),
        ("time_s,latency_s,status\n1,0.1,200\n2,-0.5,200\n", "column latency_s: row 2: expected finite seconds"),
        ("time_s,latency_s,status\n1,0.1,200.5\n", "column status: row 1: expected an HTTP status"),
        ("time_s,latency_s,status\ninf,0.1,200\n", "column time_s: row 1: expected finite seconds"),
        ("", "expected CSV with a header"),
    ],
)
def test_a_bad_file_is_named_with_column_and_row(tmp_path, capsys, content, words):
    """A file that lacks a column or holds something else than numbers is wrong usage, with file, column and row."""
    good = write(tmp_path / "good.csv", two_arms(count=50)[0])
    bad = tmp_path / "bad.csv"
    bad.write_text(content)
    assert main(["judge", "--baseline", good, "--canary", str(bad)]) == 2
    message = capsys.readouterr().err
    assert str(bad) in message
    assert words in message


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a bundle"),
        (["--baseline", "a.csv"], "expected --baseline and --canary together"),
        (["--baseline", "no.csv", "--canary", "no.csv"], "no such file"),
        (["--baseline", "a.csv", "--canary", "a.csv", "--objective", "latency_p99 < 10%"], "needs a sign"),
        (["--baseline", "a.csv", "--canary", "a.csv", "--alpha", "2"], "alpha"),
        (["--baseline", "a.csv", "--canary", "a.csv", "--pass", "90"], "found --pass"),
        (["--kayenta", "c.json", "--metrics", "p.json", "--alpha", "0.1"], "found --alpha: --kayenta takes --metrics"),
        (["latest", "--share", "0.5"], "found --share"),
        (["latest", "--judge", "limits", "--fail-on", "any-harm"], "found --fail-on: --judge limits takes"),
        (["--baseline", "a.csv", "--canary", "a.csv", "--objective", "error_rate{endpoint=/x} < 1%"], "'/x'"),
        (["--baseline", "a.csv", "--canary", "a.csv", "--objective", "throughput > -5%"], "canary_share"),
    ],
)
def test_wrong_usage_names_what_was_expected(tmp_path, monkeypatch, capsys, words, said):
    """Invalid arguments end with exit code 2 and a message that says what was expected."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", two_arms(count=50)[0])
    assert main(["judge", *words]) == 2
    assert said in capsys.readouterr().err


def test_nothing_to_compare_is_inconclusive():
    """An arm without requests is inconclusive; one with errors only fails, also when no objective names errors."""
    baseline, canary = two_arms()
    empty = {name: column[:0] for name, column in canary.items()}
    broken = {**canary, "status": np.full(len(canary["time_s"]), 503)}
    assert compare(baseline, empty, WIDE).verdict is Verdict.INCONCLUSIVE
    assert "0 of the canary" in compare(baseline, empty, WIDE).reason
    by_latency = compare(baseline, broken, ["latency_p50 < +10%"])
    assert [Verdict.INCONCLUSIVE, Verdict.FAIL] == [finding.verdict for finding in by_latency.findings]
    assert by_latency.verdict is Verdict.FAIL
    assert compare(baseline, broken, ["error_rate < +1pp"]).verdict is Verdict.FAIL


def test_effects_of_instances_are_warned_about():
    """A single instance of an arm, and instances of one build that differ, are named in the warnings."""
    baseline, canary = two_arms()
    baseline["instance"] = np.where(np.arange(len(baseline["time_s"])) % 2, "old-1", "old-2")
    baseline["latency_s"] = np.where(baseline["instance"] == "old-2", 2, 1) * baseline["latency_s"]
    canary["instance"] = np.full(len(canary["time_s"]), "new-1")
    warnings = compare(baseline, canary, WIDE).warnings
    assert any("on old-1" in warning and "on old-2" in warning for warning in warnings)
    assert any("one instance (new-1)" in warning for warning in warnings)


def test_arms_from_different_times_are_refused():
    """Two runs that did not overlap in time cannot be paired, and the message says how they could be."""
    baseline, canary = two_arms(count=100)
    with pytest.raises(JudgeInputError, match="ran at the same time"):
        compare(baseline, {**canary, "time_s": canary["time_s"] + 1e6})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"alpha": 0.0}, UsageError),
        ({"alpha": math.nan}, UsageError),
        ({"canary_share": 1.0}, UsageError),
        ({"horizon_s": -1.0}, UsageError),
        ({"objectives": ["speed < 1"]}, ObjectiveError),
    ],
)
def test_invalid_arguments_are_refused(options, error):
    """Probabilities, shares and horizons outside their range are wrong usage."""
    with pytest.raises(error):
        compare(*two_arms(count=50), **options)


def test_looks_at_a_running_test_stop_early_for_harm_and_late_for_a_pass():
    """Severe harm fails long before the horizon; a good canary passes no earlier than half of it."""
    arms = two_arms(count=60_000, canary_factor=1.5)
    assert _first(arms, Verdict.FAIL) <= 10
    assert _first(two_arms(count=60_000), Verdict.PASS) >= SECONDS / 2


def test_harm_that_begins_late_is_not_passed_before_it_begins():
    """A canary passes early only if a bad remainder could not make it fail; one that turns slow later does not pass."""
    baseline, canary = two_arms(count=60_000)
    late = canary["time_s"] >= 0.6 * SECONDS
    arms = baseline, {**canary, "latency_s": np.where(late, 1.3, 1.0) * canary["latency_s"]}
    assert math.inf == _first(arms, Verdict.PASS)
    assert SECONDS / 2 < _first((baseline, canary), Verdict.PASS) < SECONDS


def _first(arms, verdict):
    for now_s in range(5, int(SECONDS) + 1, 5):
        seen = [{name: column[arm["time_s"] < now_s] for name, column in arm.items()} for arm in arms]
        if compare(*seen, WIDE, horizon_s=SECONDS, now_s=now_s).verdict is verdict:
            return now_s
    return math.inf


def test_phases_are_judged_each_on_its_own():
    """Harm in the fault phase only fails that phase, and warm-up is no evidence."""
    baseline, canary = two_arms(count=40_000)
    names = np.array(["warm-up", "steady", "fault"])
    for arm in (baseline, canary):
        arm["phase"] = names[np.minimum((arm["time_s"] // 20).astype(int), 2)]
    hit = np.isin(canary["phase"], ["warm-up", "fault"])
    canary["latency_s"] = np.where(hit, canary["latency_s"] * 2, canary["latency_s"])
    findings = compare(baseline, canary, ["latency_p50 < +15%"]).findings
    assert [(finding.phase, str(finding.verdict)) for finding in findings] == [("steady", "pass"), ("fault", "fail")]


def steady_plan(*texts, rate_rps=400.0, seconds=300.0, share=0.2):
    """A plan of one steady phase."""
    return Plan(
        scenario="",
        service="",
        target="",
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=seconds),),
        objectives=tuple(parse_objective(text) for text in texts),
        canary_share=share,
        rate_rps=rate_rps,
        seed=0,
    )


def test_the_planned_power_matches_simulated_runs():
    """At least nine of ten simulated runs detect the smallest effect that a plan promises to detect."""
    plan = steady_plan("latency_p50 < +0%", rate_rps=200.0, seconds=SECONDS, share=0.5)
    (visible,) = visible_effects(plan)
    failed = 0
    for seed in range(40):
        arms = two_arms(seed=seed, count=12_000, canary_factor=1 + visible.smallest)
        failed += compare(*arms, ["latency_p50 < +0%"], fail_on="any-harm").verdict is Verdict.FAIL
    assert failed >= 36


def test_a_smaller_effect_needs_more_requests():
    """Half the effect needs about four times the requests."""
    plan = steady_plan("error_rate < +1pp", "split within 5pp")
    one, half = (needed(plan, plan.objectives[0], effect).requests for effect in (0.01, 0.005))
    assert half == pytest.approx(4 * one, rel=0.3)
    assert needed(plan, plan.objectives[1], 0.01) is None


def noisy_runs(count, spread):
    """Runs of equal builds whose arms differ from run to run by ``spread``."""
    rng = np.random.default_rng(5)
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)
    factors = np.exp(spread * rng.standard_normal(count))
    return [
        EqualRun(samples=samples_of(seed, count=6000, canary_factor=factor), phases=(phase,), failed=False)
        for seed, factor in enumerate(factors)
    ]


def learned(runs):
    """What the runs say about the median."""
    objectives = [parse_objective("latency_p50 < +10%")]
    return learn(runs, objectives, environment="here", block_s=1.0, control=True)


def test_noise_between_equal_runs_does_not_fail_a_good_canary():
    """A calibrated difference between runs of equal builds does not count as harm, and the analysis says so."""
    calibration = learned(noisy_runs(8, 0.08))
    arms = two_arms(seed=77, count=6000, canary_factor=1.1)
    fails, calibrated = (
        compare(*arms, ["latency_p50 < +0%"], fail_on="any-harm", calibration=each) for each in (None, calibration)
    )
    assert (fails.verdict, calibrated.verdict) == (Verdict.FAIL, Verdict.INCONCLUSIVE)
    assert any("equal builds: here, 8 runs" in warning for warning in calibrated.warnings)


def test_quiet_runs_cost_no_power():
    """Where equal builds do not differ, calibration changes no verdict."""
    arms = two_arms(seed=78, count=6000, canary_factor=1.15)
    analysis = compare(*arms, ["latency_p50 < +0%"], fail_on="any-harm", calibration=learned(noisy_runs(6, 0.0)))
    assert analysis.verdict is Verdict.FAIL


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    """A calibration file can be read back; the error for any other file names it."""
    calibration = Calibration(environment="here", runs=4, failed=0, excess={"latency_p50": 0.01}, control=None)
    assert read_calibration(calibration_json(calibration), "c.json") == calibration
    written = calibration_json(calibration)
    changes = ("0.01", "-1"), ('"control": null', '"control": "yes"'), ('"failed": 0', '"failed": 5')
    for text in ("", "[]", '{"format_version": 9}', *(written.replace(*change) for change in changes)):
        with pytest.raises(JudgeInputError, match=r"c\.json"):
            read_calibration(text, "c.json")
    with pytest.raises(JudgeInputError, match="at least 3 runs"):
        learned(noisy_runs(2, 0.0))
