"""Small configurations, pairs and runs for the tests of the Kayenta judge, and checks of configuration files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.judge.kayenta import CanaryConfig, Judgement, Pair, Thresholds, judge_pairs, parse_config, read_config
from harness.judge.kayenta.importing import objectives_yaml
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan, Series
from harness.model.samples import Samples

CONFIGS = sorted((Path(__file__).parents[1] / "samples" / "kayenta").iterdir())
USUAL = Thresholds(pass_score=95, marginal_score=75)
GENERATOR = np.random.default_rng(20)
STEADY = tuple(GENERATOR.normal(100, 5, 60))
WORSE = tuple(GENERATOR.normal(130, 5, 60))


def document(
    *names: str, groups: list[str] | None = None, weights: dict[str, Any] | None = None, **canary: Any
) -> dict[str, Any]:
    """A configuration whose metrics all have the same rules."""
    metrics = [
        {
            "name": name,
            "query": {"type": "prometheus", "metricName": name},
            "groups": ["group"] if groups is None else groups,
            "analysisConfigurations": {"canary": canary},
            "scopeName": "default",
        }
        for name in names or ("latency",)
    ]
    return {
        "name": "config",
        "applications": ["app"],
        "judge": {"name": "NetflixACAJudge-v1.0", "judgeConfigurations": {}},
        "metrics": metrics,
        "classifier": {"groupWeights": {"group": 100} if weights is None else weights},
    }


def config(*names: str, **settings: Any) -> CanaryConfig:
    """The same, read."""
    return read_config(document(*names, **settings))


def pair(control: Any, experiment: Any, name: str = "latency", **more: Any) -> Pair:
    """A pair of two sequences."""
    return Pair(name=name, control=np.array(control, float), experiment=np.array(experiment, float), **more)


def judged(control: Any, experiment: Any, **canary: Any) -> Judgement:
    """One metric with the rules ``canary``, judged once."""
    return judge_pairs(config(**canary), [pair(control, experiment)], USUAL)


def samples(
    *,
    requests: int = 24_000,
    seconds: float = 120.0,
    canary_share: float = 0.5,
    slower: float = 1.0,
    more_errors: float = 0.0,
    seed: int = 1,
) -> Samples:
    """Requests with log-normal latencies around 50 ms and 0.5 % errors, the canary slower or with more errors."""
    generator = np.random.default_rng(seed)
    due_s = np.sort(generator.uniform(0, seconds, requests))
    arm = (generator.random(requests) < canary_share).astype(np.int8)
    latency_s = generator.lognormal(np.log(0.05), 0.4, requests) * np.where(arm == 1, slower, 1.0)
    failed = generator.random(requests) < 0.005 + np.where(arm == 1, more_errors, 0.0)
    return Samples(
        due_s=due_s,
        latency_s=latency_s,
        late_s=np.zeros(requests),
        status=np.where(failed, 503, 200).astype(np.int16),
        arm=arm,
        operation=np.zeros(requests, np.int16),
        error=np.zeros(requests, np.int16),
        size=np.zeros(requests, np.int32),
        operations=("/checkout",),
        errors=("",),
    )


PHASES = (
    Phase(name="warm-up", kind=PhaseKind.WARM_UP, start_s=0, end_s=10),
    Phase(name="steady", kind=PhaseKind.STEADY, start_s=10, end_s=65),
    Phase(name="fault", kind=PhaseKind.FAULT, start_s=65, end_s=120),
)


def evidence(requests: Samples | None = None, *, series: tuple[Series, ...] = ()) -> Evidence:
    """Requests in the usual phases."""
    return Evidence(samples=samples() if requests is None else requests, phases=PHASES, series=series)


def plan(*objectives: str | Objective, canary_share: float = 0.5) -> Plan:
    """A plan with these objectives."""
    parsed = tuple(parse_objective(one) if isinstance(one, str) else one for one in objectives)
    return Plan(
        scenario="scenario",
        service="checkout",
        target="local",
        phases=(),
        objectives=parsed,
        canary_share=canary_share,
        rate_rps=200.0,
        seed=1,
    )


def check_import(path: Path) -> None:
    """Each metric of a configuration file becomes an objective that the harness can read."""
    read = parse_config(path.read_text(), file=path.name)
    found = yaml.safe_load(objectives_yaml(read))
    assert len(read.metrics) == len(found["objectives"]) > 0
    for one in found["objectives"]:
        parse_objective(one.pop("objective"), **one)


def check_judging(path: Path) -> None:
    """A configuration file judges series of all its metrics, one result for each, in the file's order."""
    read = parse_config(path.read_text(), file=path.name)
    generator = np.random.default_rng(7)
    pairs = [
        pair(generator.normal(10, 1, 60), generator.normal(10, 1, 60), name=metric.name) for metric in read.metrics
    ]
    found = judge_pairs(read, pairs, USUAL)
    assert read.metrics
    assert [metric.name for metric in read.metrics] == [result.name for result in found.results]
