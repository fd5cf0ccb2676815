"""Recorded runs of every kind of objective, and what the judges said of them when they were recorded.

``python tests/statistics/golden_runs.py FOLDER`` writes the analyses again, as the judges give them now.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.bundle import analysis_json
from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence, Judge
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Series
from harness.model.samples import Samples

EXPECTED = Path(__file__).parent / "golden" / "analyses.json.gz"
RATE_RPS = 80
LENGTHS = (
    (PhaseKind.WARM_UP, 5.0),
    (PhaseKind.STEADY, 130.0),
    (PhaseKind.FAULT, 60.0),
    (PhaseKind.RECOVERY, 30.0),
)
EVERYTHING = (
    "error_rate < +0.5pp", "error_rate < +50%", "error_rate < +20% or +1pp and < 5%", "error_rate < 2%",
    "error_rate{endpoint=/b, phase=fault} < +1pp", "error_rate{endpoint=/typo} < +1pp",
    "latency_p50 < +10%", "latency_p90 < +10% or +5ms", "latency_p99 < +25%", "latency_p99.9 < +0%",
    "latency_p50 < +5ms", "latency_p99{endpoint=/a} < 500ms", "latency_p90 < +30% and < 60ms",
    "throughput > -5%", "throughput > -10rps", "throughput > 20rps", "split < 2pp", "split within 5pp",
    "recovery_time < +5s", "recovery_time < 3s", "recovery_time < +50%",
    "gauge:memory < +10%", "gauge:memory > -10%", "gauge:memory within 20%", "gauge:memory < 150",
    "gauge:queue < +5 or +20%", "gauge:missing < +10%",
    "interaction(error_rate) < +1pp", "interaction(error_rate) < +30%", "interaction(latency_p50) < +10%",
    "interaction(latency_p99) < +20ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What is different in the canary."""

    slower: float = 1.0
    errors: float = 0.0
    under_fault: float = 1.0
    memory: float = 1.0
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question to one judge."""

    name: str
    judge: Judge
    evidence: Evidence
    plan: Plan
    now_s: float
    final: bool


def phases() -> tuple[Phase, ...]:
    """Warm-up, steady, fault and recovery, one after the other."""
    found, start = [], 0.0
    for kind, length in LENGTHS:
        found.append(Phase(name=kind.value, kind=kind, start_s=start, end_s=start + length))
        start += length
    return tuple(found)


def samples(harm: Harm, *, seed: int, share: float, rate_rps: float = RATE_RPS) -> Samples:
    """Requests to two endpoints; the fault slows down a third of them and takes five seconds to go away."""
    rng = np.random.default_rng(seed)
    spans = phases()
    count = int(spans[-1].end_s * rate_rps)
    due_s = np.sort(rng.uniform(0, spans[-1].end_s, count))
    canary = rng.random(count) < share
    fault = (due_s >= spans[2].start_s) & (due_s < spans[2].end_s + 5)
    harmed = canary & (due_s > 80) if harm.late else canary
    latency_s = rng.lognormal(np.log(0.03), 0.5, count) * np.where(harmed, harm.slower, 1.0)
    hit = fault & (rng.random(count) < 0.3)
    latency_s += np.where(hit, 0.1 * np.where(canary, harm.under_fault, 1.0), 0.0)
    failed = rng.random(count) < 0.01 + np.where(harmed, harm.errors, 0.0) + np.where(hit, 0.02, 0.0)
    arm = np.where(rng.random(count) < 0.001, -1, canary).astype(np.int8)
    return Samples(
        due_s=due_s, latency_s=latency_s, late_s=np.zeros(count), status=np.where(failed, 503, 200).astype(np.int16),
        arm=arm, operation=rng.integers(0, 2, count).astype(np.int16), error=np.zeros(count, np.int16),
        size=np.full(count, 100, np.int32), operations=("/a", "/b"), errors=("",),
    )  # fmt: skip


def series(harm: Harm, *, seed: int) -> tuple[Series, ...]:
    """Readings of memory every second and of a queue every two, with gaps."""
    rng = np.random.default_rng(seed)
    found = []
    for arm, factor in (("baseline", 1.0), ("canary", harm.memory)):
        for name, level, every in (("memory", 120.0, 1), ("gauge:queue", 14.0, 2)):
            at_s = np.arange(0, phases()[-1].end_s, every)
            values = level * factor + rng.normal(0, level / 30, len(at_s))
            values[::17] = math.nan
            found.append(
                Series(
                    name=name, arm=arm, unit="", source="made", at_s=tuple(at_s.tolist()), values=tuple(values.tolist())
                )
            )
    return tuple(found)


def plan_of(*objectives: str | Objective, share: float = 0.4, rate_rps: float = RATE_RPS) -> Plan:
    """A plan of the four phases."""
    return Plan(
        scenario="golden", service="checkout", target="local",
        phases=tuple(PhasePlan(name=kind.value, kind=kind, duration_s=length) for kind, length in LENGTHS),
        objectives=tuple(parse_objective(one) if isinstance(one, str) else one for one in objectives),
        canary_share=share, rate_rps=rate_rps, seed=1,
    )  # fmt: skip


def _until(evidence: Evidence, now_s: float) -> Evidence:
    begun = tuple(replace(phase, end_s=min(phase.end_s, now_s)) for phase in evidence.phases if phase.start_s < now_s)
    columns = ("due_s", "latency_s", "late_s", "status", "arm", "operation", "error", "size")
    seen = evidence.samples.due_s < now_s
    cut = replace(evidence.samples, **{name: getattr(evidence.samples, name)[seen] for name in columns})
    return replace(evidence, samples=cut, phases=begun)


def cases() -> Iterator[Case]:
    """Every judge on equal arms and several harms, at the end and on the way."""
    harms = {
        "equal": Harm(),
        "slow": Harm(slower=1.2, memory=1.3),
        "errors": Harm(errors=0.03, late=True),
        "bad under the fault": Harm(under_fault=3.0),
        "a little slower": Harm(slower=1.06, memory=1.06),
    }
    weighted = (
        parse_objective("error_rate < +1pp", weight=3, group="errors", critical=True),
        parse_objective("latency_p50 < +10%", weight=2, group="latency"),
        parse_objective("latency_p99 < +25%", muted=True),
    )
    for number, (name, harm) in enumerate(harms.items()):
        seen = Evidence(
            samples=samples(harm, seed=number, share=0.4), phases=phases(), series=series(harm, seed=number)
        )
        whole, end_s = plan_of(*EVERYTHING), seen.phases[-1].end_s
        judges: dict[str, Judge] = {
            "sequential": SequentialJudge(),
            "kayenta": KayentaJudge(),
            "limits": LimitsJudge(),
        }
        for judge, made in judges.items():
            yield Case(name=f"{name}: {judge}", judge=made, evidence=seen, plan=whole, now_s=end_s, final=True)
        for now_s in (60.0, 180.5):
            yield Case(
                name=f"{name}: look at {now_s:g} s", judge=SequentialJudge(), evidence=_until(seen, now_s), plan=whole,
                now_s=now_s, final=False,
            )  # fmt: skip
        noise = {"latency_p50": 0.02, "error_rate": 0.01, "throughput": 0.01}
        learned = replace(plan_of(*weighted), judge=JudgeSettings(noise=noise, noise_from="golden"))
        wide = plan_of("error_rate < +5pp", "latency_p50 < +60%", "throughput > -40%", "gauge:memory < +80%")
        plans = {"default objectives": plan_of(), "weights": plan_of(*weighted), "noise": learned, "wide": wide}
        for judge, plan in plans.items():
            yield Case(
                name=f"{name}: {judge}", judge=SequentialJudge(), evidence=seen, plan=plan, now_s=end_s, final=True
            )
    slow = Evidence(samples=samples(harms["slow"], seed=1, share=0.4), phases=phases())
    yield Case(
        name="any harm", judge=SequentialJudge(fail_on=FailOn.ANY_HARM), evidence=slow, plan=plan_of(*EVERYTHING),
        now_s=225, final=True,
    )  # fmt: skip
    few = Evidence(samples=samples(Harm(), seed=9, share=0.4, rate_rps=2), phases=phases()[:2])
    yield Case(
        name="few requests", judge=SequentialJudge(), evidence=few, plan=plan_of(*EVERYTHING, rate_rps=2), now_s=135,
        final=True,
    )  # fmt: skip


def analyses() -> dict[str, bytes]:
    """What the judges say now, by case."""
    return {
        case.name: analysis_json(case.judge.judge(case.evidence, case.plan, now_s=case.now_s, final=case.final))
        for case in cases()
    }


def rounded(value: object) -> object:
    """JSON with numbers of eight digits: the last ones depend on the processor."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def expected() -> dict[str, object]:
    """The stored analyses."""
    found: dict[str, object] = json.loads(gzip.decompress(EXPECTED.read_bytes()))
    return found


def _main(write: Callable[[Path, bytes], object]) -> None:
    folder = Path(sys.argv[1])
    found = analyses()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in found.items():
        write(folder / f"{name}.json", content)
    kept = {name: json.loads(content) for name, content in found.items()}
    left_out = ("judged_by", "probable_cause")  # the version, and what no judge finds
    plain = {
        name: rounded({key: value for key, value in analysis.items() if key not in left_out})
        for name, analysis in kept.items()
    }
    packed = gzip.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0)
    write(folder / EXPECTED.name, packed)


if __name__ == "__main__":
    _main(Path.write_bytes)
