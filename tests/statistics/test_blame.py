"""The reason of a failed run names what is most affected, and the endpoint if the harm sits in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import SECONDS, samples_of

from harness.judge import compare
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Analysis, Verdict

NAMES = ("/browse", "/cart", "/checkout", "/login", "/search")


def judged(samples: Samples, *objectives: str) -> Analysis:
    """What the judge says of a steady minute."""
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)
    plan = Plan(
        scenario="s", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=len(samples) / SECONDS,
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=SECONDS),),
        objectives=tuple(map(parse_objective, objectives)),
    )  # fmt: skip
    return SequentialJudge().judge(Evidence(samples=samples, phases=(phase,)), plan, now_s=SECONDS, final=True)


def on_endpoints(samples: Samples, seed: int = 1) -> Samples:
    """The samples with an endpoint each, at random."""
    operation = np.random.default_rng(seed).integers(0, len(NAMES), len(samples)).astype(np.int16)
    return replace(samples, operations=NAMES, operation=operation)


@pytest.mark.parametrize("objective", ["latency_p90 < +10%", "latency_p99 < +10%"])
def test_a_slow_endpoint_is_named(objective: str) -> None:
    """One endpoint of five is 2.5 times slower; the finding says which, with its own numbers."""
    samples = on_endpoints(samples_of(1, count=40000))
    hit = (samples.operation == NAMES.index("/checkout")) & (samples.arm == CANARY)
    samples = replace(samples, latency_s=np.where(hit, samples.latency_s * 2.5, samples.latency_s))
    analysis = judged(samples, objective)
    assert analysis.verdict is Verdict.FAIL
    assert "the harm sits in /checkout (" in analysis.reason
    assert "not in the other endpoints" in analysis.reason


def test_an_endpoint_with_errors_is_named() -> None:
    """A tenth of one endpoint's requests fail."""
    samples = on_endpoints(samples_of(2, count=20000))
    hit = (samples.operation == NAMES.index("/login")) & (samples.arm == CANARY)
    hit &= np.random.default_rng(3).random(len(samples)) < 0.1
    samples = replace(samples, status=np.where(hit, np.int16(503), samples.status))
    assert "the harm sits in /login (10" in judged(samples, "error_rate < +0.5pp").reason


def test_harm_everywhere_names_no_endpoint() -> None:
    """If all endpoints are slower, none of them is to blame."""
    for seed in range(20):
        analysis = judged(on_endpoints(samples_of(seed, count=20000, canary_factor=1.4), seed), "latency_p50 < +10%")
        assert analysis.verdict is Verdict.FAIL
        assert "sits in" not in analysis.reason


def test_the_objective_that_is_most_affected_is_named() -> None:
    """Far more errors and a little slower: the run failed by its errors, whatever the order and weights."""
    samples = samples_of(4, count=20000, canary_factor=1.3, errors=(0.0, 0.3))
    for texts in (("latency_p50 < +10%", "error_rate < +1pp"), ("error_rate < +1pp", "latency_p50 < +10%")):
        assert judged(samples, *texts).reason.startswith("error_rate in the steady phase")


def on_instances(seed: int, *, sick: int, seconds: float = 60.0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Two arms of three instances each; a tenth of the requests to ``sick`` of the canary fail or, at -1, to all."""
    rng, arms = np.random.default_rng(seed), []
    for arm in "bc":
        instance = rng.integers(0, 3, 9000)
        hit = (arm == "c") & ((instance == sick) | (sick < 0)) & (rng.random(9000) < 0.1)
        arms.append({
            "time_s": rng.uniform(0, seconds, 9000), "latency_s": 0.02 * rng.lognormal(0, 0.3, 9000),
            "status": np.where(hit, 503, 200), "instance": np.array([f"{arm}-{each}" for each in instance]),
        })  # fmt: skip
    return arms[0], arms[1]


def test_an_instance_with_errors_is_named() -> None:
    """One pod of the canary fails a tenth of its requests; the reason says which, with its own numbers."""
    analysis = compare(*on_instances(1, sick=1), ["error_rate < +0.5pp"], horizon_s=60.0)
    assert "the harm sits in the canary's instance c-1 (9." in analysis.reason or "c-1 (10" in analysis.reason
    assert "not in its other instances" in analysis.reason


def test_harm_in_every_instance_names_none() -> None:
    """If all instances fail alike, the build is to blame."""
    analysis = compare(*on_instances(2, sick=-1), ["error_rate < +0.5pp"], horizon_s=60.0)
    assert analysis.verdict is Verdict.FAIL
    assert "sits in" not in analysis.reason


def test_a_rare_quantile_names_the_endpoint_that_a_lower_one_shows() -> None:
    """The 99th percentile of one endpoint has few requests above it; its 90th shows that it is slow."""
    samples = on_endpoints(samples_of(5, count=6000))
    hit = (samples.operation == NAMES.index("/cart")) & (samples.arm == CANARY)
    samples = replace(samples, latency_s=np.where(hit, samples.latency_s * 2, samples.latency_s))
    analysis = judged(samples, "latency_p99 < +10%")
    assert analysis.verdict is Verdict.FAIL
    assert "the harm sits in /cart (latency_p90 " in analysis.reason
