"""Show which bars of the judge exclude each other: ``python benchmarks/judge_frontier.py --jobs 2``.

Judges the same simulated streams, where any harm fails and nothing was learned, with other values of the settings that
trade false fails for time and power: the margin for harm of latencies in short stretches, how much the priors of the noise
weigh (of latencies, of errors), the part of alpha for the last look, and whether common quantiles share their noise. Prints
a line for each point as it is measured. Equal arms: how many fail, as the mean of all families and in the worst of the noisy
families. Harm: how many runs fail, or the median of seconds from its onset to the fail. The seeds are fixed. The default
form takes about a quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from judged_rows import PLAIN, SMALL_SHIFT, Row, Runner, runner
from streams import FAMILIES, HARMS, Family, Harm
from watched_runs import Watched, first_fail

from harness.judge import alpha_spending
from harness.judge.indicators import latency
from harness.stats import contrast, variance
from harness.stats.variance import CALM, WARY

NOISY = ("noisy arms", "slow noise", "bursts")
"""The families whose false fails depend on the point; of the others, a fifth of the runs is enough."""
HARM = {harm.name: harm for harm in HARMS}
COUNTED = (SMALL_SHIFT, HARM["errors x1.5"])
TIMED = (HARM["p50 +5 %"], HARM["p50 +10 %"], HARM["errors x2"], HARM["p99 +25 %"])
ONSETS_S = (65.0, 245.0)
HEAD = f"{'margin':>6} {'until s':>7} {'prior':>5} {'errors':>6} {'last':>5} {'shared':>6} | {'equal':>6} {'worst family':>18} | {'p50 +2':>6} {'err x1.5':>8} |"
HEAD += f" {'p50 +5':>6} {'p50 +10':>7} {'err x2':>6} {'p99 +25':>7} | {'from 65 s':>9} {'from 245 s':>10}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One choice of settings.

    margin: a share; it falls in stretches of more than ``long_s`` seconds. prior, of_errors: degrees of freedom. last: a
    part of alpha.
    """

    margin: float = latency.MARGIN
    long_s: float = latency.LONG_S
    prior: float = WARY.degrees
    of_errors: float = CALM.degrees
    last: float = alpha_spending.FINAL_PART
    shares_noise: bool = True


CHOSEN = Point()
FASTER = Point(margin=0.02, long_s=110.0, prior=30.0)
POINTS = (
    CHOSEN,
    FASTER,
    replace(FASTER, margin=0.01, prior=60.0),
    replace(FASTER, margin=0.0),
    replace(FASTER, shares_noise=False),
    replace(FASTER, margin=0.03),
    replace(FASTER, prior=12.0),
    replace(FASTER, of_errors=60.0),
    replace(FASTER, last=0.4),
)


@contextmanager
def judge_at(point: Point) -> Iterator[None]:
    """Let the judge work with the settings of a point."""
    wary = replace(WARY, degrees=point.prior)
    changed: tuple[tuple[object, str, object], ...] = (
        (latency, "MARGIN", point.margin),
        (latency, "LONG_S", point.long_s),
        (latency, "LEAST_MARGIN", min(point.margin, latency.LEAST_MARGIN)),
        (latency, "WARY", wary),
        (variance, "WARY", wary),
        (contrast, "WARY", wary),
        (contrast, "CALM", replace(CALM, degrees=point.of_errors)),
        (contrast, "MOST_SHARED", contrast.MOST_SHARED if point.shares_noise else 0.0),
        (alpha_spending, "FINAL_PART", point.last),
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in changed]
    for module, name, value in changed:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def judged_at(point: Point, look_s: float, family: Family, harm: Harm, seed: int) -> Watched:
    """Judge one run with the settings of a point until it fails; this works in any process."""
    with judge_at(point):
        return first_fail(family, harm, seed, look_s=look_s)


def main() -> None:
    """Print a line for each point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="runs of each noisy family (default: %(default)s)")
    parser.add_argument("--harmful", type=int, default=12, help="runs with each harm (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7_000_000, help="first seed (default: %(default)s)")
    parser.add_argument("--points", type=int, default=len(POINTS), help="only the first points")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    args = parser.parse_args()
    print(HEAD)
    with runner(args.jobs) as run:
        for point in POINTS[: args.points]:
            print(_line(point, run, args), flush=True)


def _line(point: Point, run: Runner, args: argparse.Namespace) -> str:
    """Measure one point."""

    def judged(family: Family, harm: Harm, look_s: float, runs: int) -> list[float]:
        """Return the seconds from the onset to the fail of each run, infinite if it did not fail."""
        row = Row(group="", name="", family=family, harm=harm, judged=partial(judged_at, point, look_s), runs=runs)
        onset_s = harm.onset * family.duration_s
        return [np.inf if one.failed_s is None else one.failed_s - onset_s for one in run(row, args.seed).runs]

    failed = {}
    for family in FAMILIES:
        times = judged(family, Harm(), 10.0, args.runs if family.name in NOISY else max(args.runs // 5, 1))
        failed[family.name] = float(np.isfinite(times).mean())
    worst = max(NOISY, key=lambda name: failed[name])
    counted = [np.isfinite(judged(PLAIN, harm, 10.0, 2 * args.harmful)).mean() for harm in COUNTED]
    timed = [np.median(judged(PLAIN, harm, 2.0, args.harmful)) for harm in TIMED]
    late = []
    for onset_s in ONSETS_S:
        harm = replace(HARM["p50 +10 %"], name=f"p50 +10 % at {onset_s:g} s", onset=onset_s / PLAIN.duration_s)
        late.append(np.median(judged(PLAIN, harm, 2.0, args.harmful)))
    return (
        f"{point.margin:6.1%} {point.long_s:7.0f} {point.prior:5.0f} {point.of_errors:6.0f} {point.last:5.0%} {'yes' if point.shares_noise else 'no':>6} | "
        f"{np.mean(list(failed.values())):6.2%} {failed[worst]:5.1%} {worst:>12} | {counted[0]:6.0%} {counted[1]:8.0%} | "
        f"{timed[0]:6.0f} {timed[1]:7.0f} {timed[2]:6.0f} {timed[3]:7.0f} | {late[0]:9.0f} {late[1]:10.0f}"
        + (" <- chosen" if point == CHOSEN else "")
    )


if __name__ == "__main__":
    main()
