"""What ``harness plan`` says of each objective holds under the rule in force, in simulated runs too."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import samples_of

from harness import gate
from harness.bundle import write_bundle
from harness.cli.power import learned, power_lines
from harness.config import read_config
from harness.errors import UsageError
from harness.judge.assumed import recorded
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.power import needed, undecidable, visible_effects
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Record
from harness.model.samples import Samples
from harness.model.verdict import Verdict


def plan_of(*objectives: str, seconds: float = 60.0, rate_rps: float = 200.0) -> Plan:
    """A run with one steady phase and equal arms."""
    return Plan(
        scenario="s", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=rate_rps,
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=seconds),),
        objectives=tuple(map(parse_objective, objectives)),
    )  # fmt: skip


def shares(plan: Plan, wanted: Verdict, *, factor: float = 1.0, runs: int = 60) -> float:
    """The share of simulated runs of a minute in which the first finding has a verdict."""
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=60.0)
    count, found = int(plan.rate_rps * 60), 0
    for seed in range(runs):
        evidence = Evidence(
            samples=samples_of(seed, count=count, canary_factor=factor, errors=(0.005, 0.005)), phases=(phase,)
        )
        found += SequentialJudge().judge(evidence, plan, now_s=60.0, final=True).findings[0].verdict is wanted
    return found / runs


def test_each_objective_has_one_line_that_says_whether_it_can_be_shown() -> None:
    """A run that is too short says what it needs, and the tolerance that it could show."""
    lines = power_lines(plan_of("latency_p99 < +20%", "latency_p50 < +40%", seconds=15, rate_rps=100))
    p99, p50 = (next(line for line in lines if name in line) for name in ("latency_p99", "latency_p50"))
    assert "latency_p99 < +20% in the steady phase: cannot be shown in 15 s at 100 requests/s; needs " in p99
    assert "latency_p50 < +40% in the steady phase: can be shown; fails from +" in p50
    assert not [line for line in lines if line.startswith("warning")]


def test_the_length_that_a_plan_asks_for_is_enough() -> None:
    """A run of that length can show the objective; one of half the length cannot."""
    plan = plan_of("latency_p90 < +10%", seconds=10, rate_rps=50)
    seconds = visible_effects(plan)[0].needs_s
    assert seconds is not None
    for length, can in ((seconds, True), (seconds / 2, False)):
        assert visible_effects(plan_of("latency_p90 < +10%", seconds=length, rate_rps=50))[0].decidable is can


@pytest.mark.parametrize("text", ["latency_p50 < +10%", "error_rate < +1pp", "throughput > -5%"])
def test_what_fails_is_beyond_the_tolerance(text: str) -> None:
    """A wider tolerance needs a larger difference to fail; under any-harm the tolerance does not matter."""
    narrow, wide = text, text.replace("10%", "30%").replace("1pp", "3pp").replace("5%", "20%")
    (one,), (other,) = visible_effects(plan_of(narrow)), visible_effects(plan_of(wide))
    assert one.smallest is not None
    assert other.smallest is not None
    assert one.tolerance is not None
    assert other.smallest > one.smallest > one.tolerance
    harm = [visible_effects(plan_of(each), fail_on=FailOn.ANY_HARM)[0].smallest for each in (narrow, wide)]
    assert harm[0] == harm[1]
    assert harm[0] is not None
    assert harm[0] < one.smallest


def test_the_smallest_difference_fails_and_the_smallest_tolerance_passes() -> None:
    """Both are stated for 95 of 100 runs; ``benchmarks/power_truth.py`` measures them in more cases."""
    plan = plan_of("latency_p50 < +10%")
    seen = visible_effects(plan)[0]
    assert seen.smallest is not None
    assert seen.shown is not None
    assert shares(plan, Verdict.FAIL, factor=1 + seen.smallest) >= 0.87
    wider = replace(plan, objectives=(replace(plan.objectives[0], relative=seen.shown),))
    assert 0.87 <= shares(wider, Verdict.PASS)
    narrower = replace(plan, objectives=(replace(plan.objectives[0], relative=seen.shown / 1.5),))
    assert shares(narrower, Verdict.PASS) < 0.9


def test_noise_of_the_environment_is_part_of_the_statement() -> None:
    """A calibration that found noise between equal builds widens what can be shown."""
    plan = plan_of("latency_p50 < +10%")
    noisy = replace(plan, judge=replace(plan.judge, noise={"latency_p50": 0.2}))
    (calm,), (loud,) = visible_effects(plan), visible_effects(noisy)
    assert calm.shown is not None
    assert loud.shown is not None
    assert loud.shown > 1.5 * calm.shown


def test_a_run_that_can_decide_nothing_warns_before_it_starts() -> None:
    """The warning names a length that would do; a run that can decide one objective does not warn."""
    hopeless = plan_of("latency_p99 < +10%", "error_rate < +0.1pp", seconds=5, rate_rps=20)
    assert "this run can decide no objective" in gate.cannot_decide(hopeless)
    assert "would show the first" in undecidable(visible_effects(hopeless))
    assert gate.cannot_decide(plan_of("latency_p50 < +40%", "error_rate < +0.1pp")) == ""
    other = replace(hopeless, judge=replace(hopeless.judge, name="limits"))
    assert gate.cannot_decide(other) == ""


def test_an_effect_that_no_length_shows_has_no_need() -> None:
    """A difference below the resolution of latencies cannot be told."""
    plan = plan_of("latency_p50 < +10%")
    assert needed(plan, plan.objectives[0], 0.002) is None
    found = needed(plan, plan.objectives[0], 0.1)
    assert found is not None
    assert math.isfinite(found.seconds)


STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=60.0)


def two_endpoints(seed: int, *, factor: float = 1.0) -> Samples:
    """A run of which one request in eight takes ten times as long, at an endpoint of its own."""
    samples = samples_of(seed, count=12_000, canary_factor=factor)
    slow = np.random.default_rng(seed + 1000).random(len(samples)) < 0.125
    return replace(
        samples, latency_s=samples.latency_s * np.where(slow, 10, 1), operation=slow.astype(np.int16),
        operations=("/", "/slow"),
    )  # fmt: skip


def test_the_shape_of_recorded_latencies_makes_the_statement_true() -> None:
    """The 90th percentile of fast and slow requests lies where latencies are sparse, which no log-normal shape tells."""
    plan = plan_of("latency_p90 < +10%")
    known = recorded([(two_endpoints(1), [STEADY])])
    found = []
    for assumed in (None, known):
        smallest = visible_effects(plan, assumed, lengths=False)[0].smallest
        assert smallest is not None
        runs = [Evidence(samples=two_endpoints(seed, factor=1 + smallest), phases=(STEADY,)) for seed in range(25)]
        verdicts = [SequentialJudge().judge(run, plan, now_s=60.0, final=True).verdict for run in runs]
        found.append(verdicts.count(Verdict.FAIL))
    assert found[0] < 15
    assert found[1] >= 21


def test_a_tolerance_in_seconds_counts() -> None:
    """It can be compared with a recorded latency; without one, the statement says what it depends on."""
    plan = plan_of("latency_p50 < +5ms", "latency_p50 < +5ms or +10%")
    assert all("what fails depends on the baseline's latency" in str(each) for each in visible_effects(plan))
    known = recorded([(samples_of(1, count=12_000), [STEADY])])
    for each in visible_effects(plan, known):
        assert each.tolerance == pytest.approx(0.2, rel=0.03)  # 5 of 25 ms
        assert each.smallest is not None
        assert each.smallest > 0.2
        assert each.decidable is True
    with pytest.raises(UsageError, match="expected an effect as a share of a latency"):
        power_lines(plan, ["latency_p50 < +5ms"])


def test_an_objective_of_one_endpoint_has_its_requests() -> None:
    """An eighth of the requests shows less than all of them."""
    known = recorded([(two_endpoints(1), [STEADY])])
    whole, part = visible_effects(plan_of("error_rate < +1pp", "error_rate{endpoint=/slow} < +1pp"), known)
    assert whole.shown is not None
    assert part.shown is not None
    assert part.shown > 2 * whole.shown


def test_few_recorded_requests_tell_nothing() -> None:
    """A run that was ended at once is no ground for a promise; a rare endpoint is taken to be like the others."""
    assert recorded([(samples_of(1, count=150), [STEADY])]) == {}
    samples = samples_of(1, count=4000, errors=(0.01, 0.01))
    rare = (np.arange(len(samples)) % 200 == 0).astype(np.int16)
    known = recorded([(replace(samples, operation=rare, operations=("/", "/rare")), [STEADY])])["steady"]
    assert known.endpoints["/rare"].latencies is known.latencies
    assert known.endpoints["/rare"].error_rate == known.error_rate
    assert known.endpoints["/rare"].part == pytest.approx(0.005, rel=0.5)


def test_the_command_learns_from_the_newest_run_of_the_service(tmp_path: Path) -> None:
    """Runs of other services tell nothing; the line names the run."""
    config = replace(read_config(Path("harness.yaml")), out=tmp_path)
    assert learned(config) is None
    for name, service in (("20261101-000000-aaaaaaaa", config.service), ("20261102-000000-bbbbbbbb", "other")):
        plan = replace(plan_of("latency_p50 < +10%"), service=service)
        record = Record(plan=plan, phases=(STEADY,), samples=samples_of(1, count=1000), load=None)
        (tmp_path / name).mkdir()
        write_bundle(record, tmp_path / name / "one")
    known = learned(config)
    assert known is not None
    assert known.source == tmp_path / "20261101-000000-aaaaaaaa" / "one"
    assert (
        f"with the latencies and errors of {known.source}" in power_lines(plan_of("latency_p50 < +10%"), (), known)[0]
    )
