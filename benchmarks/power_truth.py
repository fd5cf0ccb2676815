"""Check what ``harness plan`` promises on simulated runs: ``python benchmarks/power_truth.py``.

For each case two promises are tested: equal arms pass at the smallest tolerance that is said to be shown, and a canary
that is worse by the smallest difference that is said to fail does fail. Both are stated for 95 of 100 runs. The exit
code is 1 unless the share is 93 to 97 %, allowing for the error of the simulation, in every case.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, replace

import numpy as np

from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.power import visible_effects
from harness.judge.sequential import SequentialJudge
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import Samples
from harness.model.verdict import Verdict
from harness.stats.binomial import share_interval

LOW, HIGH = 0.93, 0.97
ERRORS, SPREAD = 0.005, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One objective in a run with one steady phase."""

    objective: str
    rate_rps: float
    seconds: float
    share: float

    def plan(self, objective: Objective) -> Plan:
        """The run."""
        phase = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=self.seconds)
        return Plan(
            scenario="power", service="simulated", target="none", phases=(phase,), objectives=(objective,),
            canary_share=self.share, rate_rps=self.rate_rps, seed=1,
        )  # fmt: skip


CASES = tuple(
    Case(objective=objective, rate_rps=rate_rps, seconds=seconds, share=share)
    for rate_rps, seconds, share in ((100, 30, 0.5), (200, 60, 0.5), (400, 60, 0.2), (1000, 120, 0.1))
    for objective in ("error_rate < +1pp", "latency_p50 < +10%", "latency_p90 < +10%", "latency_p99 < +25%")
)


def samples_of(case: Case, rng: np.random.Generator, *, slower: float, errors: float) -> Samples:
    """One simulated run: lognormal latencies, independent requests. slower, errors: differences of the canary."""
    count = int(rng.poisson(case.rate_rps * case.seconds))
    canary = rng.random(count) < case.share
    latency_s = 0.03 * np.exp(SPREAD * rng.standard_normal(count)) * np.where(canary, 1 + slower, 1.0)
    failed = rng.random(count) < ERRORS + np.where(canary, errors, 0.0)
    return Samples(
        due_s=np.sort(rng.uniform(0, case.seconds, count)), latency_s=latency_s, late_s=np.zeros(count),
        status=np.where(failed, 503, 200).astype(np.int16), arm=canary.astype(np.int8),
        operation=np.zeros(count, np.int16), error=np.zeros(count, np.int16), size=np.zeros(count, np.int32),
        operations=("/",), errors=("",),
    )  # fmt: skip


def share_of(case: Case, objective: Objective, wanted: Verdict, *, difference: float, runs: int) -> float:
    """The share of runs in which the objective gets a verdict."""
    by_rate = objective.name == "error_rate"
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=case.seconds)
    rng, found = np.random.default_rng(7), 0
    for _ in range(runs):
        samples = samples_of(case, rng, slower=0.0 if by_rate else difference, errors=difference if by_rate else 0.0)
        analysis = SequentialJudge().judge(
            Evidence(samples=samples, phases=(phase,)), case.plan(objective), now_s=case.seconds, final=True
        )
        found += analysis.findings[0].verdict is wanted
    return found / runs


def promises(case: Case, runs: int) -> tuple[tuple[str, float, float], ...]:
    """Both promises of a case: what is promised, the difference, and the share of runs in which it was kept."""
    objective = parse_objective(case.objective)
    seen = visible_effects(case.plan(objective), lengths=False)[0]
    kept = []
    if seen.shown is not None and math.isfinite(seen.shown):
        relative = objective.relative is not None
        wider = replace(objective, **{"relative" if relative else "absolute": seen.shown})
        kept.append(("passes at", seen.shown, share_of(case, wider, Verdict.PASS, difference=0.0, runs=runs)))
    if seen.smallest is not None and math.isfinite(seen.smallest):
        share = share_of(case, objective, Verdict.FAIL, difference=seen.smallest, runs=runs)
        kept.append(("fails from", seen.smallest, share))
    return tuple(kept)


def main() -> int:
    """Print a row for each promise. Return 1 if one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=400, help="simulated runs for each promise (default: 400)")
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first cases")
    args = parser.parse_args()
    broken, shares = 0, []
    for case in CASES[: args.cases]:
        for what, difference, share in promises(case, args.runs):
            low, high = share_interval(round(share * args.runs), args.runs, confidence=0.95)
            held = high >= LOW and low <= HIGH
            broken, shares = broken + (not held), [*shares, share]
            print(
                f"{case.objective:20} {case.rate_rps:5g}/s {case.seconds:4g} s {case.share:4.0%}  "
                f"{what:10} {difference:7.4f}  {share:6.1%} [{low:.1%}, {high:.1%}]{'' if held else '  NOT KEPT'}",
                flush=True,
            )
    inside = sum(LOW <= share <= HIGH for share in shares)
    print(
        f"{len(shares)} promises, mean {np.mean(shares):.1%}, {inside} within {LOW:.0%} to {HIGH:.0%}, {broken} not kept"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
