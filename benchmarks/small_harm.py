"""Show what the margin for harm of latencies costs and saves, under any-harm: ``python benchmarks/small_harm.py``.

Judges simulated streams every ten seconds: as without a calibration, with the margin; without the margin, as if the noise
were known to be none; and with noise that was learned from five equal runs, as after ``harness calibrate``. Prints how many
runs failed, for equal arms of each family and for a canary that is slower. ``--runs 150`` takes about 15 minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from statistics import median

from streams import FAMILIES, Family, Harm, stream
from watched_runs import TOLERATED, plan_of, watch

from harness.judge.calibration import EqualRun, learn

SLOWER = (Harm(name="p50 +2 %", scale=1.02), Harm(name="p50 +5 %", scale=1.05), Harm(name="p50 +10 %", scale=1.1))
LEARNED_FROM = 5
WAYS = ("margin", "no margin", "calibrated")
Noise = Mapping[str, float]


def learned(family: Family, seed: int) -> Noise:
    """Return the noise that runs of equal arms show."""
    runs = [stream(family, Harm(), seed + number) for number in range(LEARNED_FROM)]
    equal = [EqualRun(samples=run.samples, phases=run.phases, failed=False) for run in runs]
    objectives = plan_of(family, runs[0], TOLERATED, seed).objectives
    return learn(equal, objectives, environment="simulated", block_s=1.0, control=None).excess


def failures(family: Family, harm: Harm, seeds: range) -> Iterator[tuple[str, list[float]]]:
    """Yield the times at which runs failed, for each way."""
    excess = learned(family, 10_000_000 + seeds.start)
    for way, noise in zip(WAYS, ({}, dict.fromkeys(excess, 0.0), excess), strict=True):
        watched = [watch(family, harm, seed, noise=noise) for seed in seeds]
        yield way, [run.failed_s for run in watched if run.failed_s is not None]


def main() -> None:
    """Print a line for each family and each harm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="equal runs of each family (default: %(default)s)")
    parser.add_argument("--harmful", type=int, default=12, help="runs with each harm (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7_000_000, help="first seed (default: %(default)s)")
    args = parser.parse_args()
    pooled = dict.fromkeys(WAYS, 0)
    for family in FAMILIES:
        found = dict(failures(family, Harm(), range(args.seed, args.seed + args.runs)))
        for way, times in found.items():
            pooled[way] += len(times)
        told = "  ".join(f"{way} {len(times)}" for way, times in found.items())
        print(f"equal, {family.name:20} {args.runs} runs  failed: {told}", flush=True)
    print(f"equal, pooled: {args.runs * len(FAMILIES)} runs  failed: {pooled}", flush=True)
    for harm in SLOWER:
        found = dict(failures(FAMILIES[0], harm, range(args.seed, args.seed + args.harmful)))
        told = "  ".join(
            f"{way} {len(times)}" + (f" ({median(times):g} s)" if times else "") for way, times in found.items()
        )
        print(f"{harm.name:10} {args.harmful} runs  failed (median time): {told}", flush=True)


if __name__ == "__main__":
    main()
