"""What the judges get wrong, and how long they take, on simulated streams: ``python benchmarks/judge_bars.py``.

Prints the bars of the default judge with what was measured, then the same runs under Kayenta's judge
(once, at the end), fixed limits, and tests that take requests for independent and are repeated at every
look. Exits with 1 when a bar is missed. ``--small`` is a minute's worth for every change; the full form
takes about ten minutes on a core. Harm is failed in two senses: *any harm* (what A/A, power and time to
detect count) and *beyond tolerance* (the default; what changes within tolerance count).
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from streams import FAMILIES, FAULT, FAULT_HARMS, HARMS, RARE, RARE_HARM, Family, Harm
from watching import Watched, at_end, naive, watch

from harness.judge.arrays import compare
from harness.model.verdict import Verdict
from harness.stats.binomial import share_interval

PLAIN = FAMILIES[0]
NONE = Harm()
WITHIN = (
    Harm(name="all +4 %", scale=1.04),
    Harm(name="p99 +10 %", stretch=1.1),
    Harm(name="errors +0.2 pp", errors=0.002),
    Harm(name="all -20 %", scale=0.8),
    Harm(name="half the errors", errors_factor=0.5),
)
BEYOND = (
    Harm(name="all +12 %", scale=1.12),
    Harm(name="p99 +35 %", stretch=1.35),
    Harm(name="errors +0.7 pp", errors=0.007),
    Harm(name="late all +30 %", scale=1.3, onset=0.6),
)
Watch = Callable[[Family, Harm, int], Watched]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of the table: what was counted, of how many, and whether it is good enough."""

    name: str
    measured: str
    wanted: str
    held: bool


def main() -> int:
    """Run the bars and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=75, help="runs of each family (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=900_000, help="first seed (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="few runs, and only limits that chance does not break")
    parser.add_argument("--only", choices=("default", "others"), help="only the default judge, or only the others")
    args = parser.parse_args()
    runs = 2 if args.small else args.runs
    bars = [] if args.only == "others" else list(default_judge(runs, args.seed, small=args.small))
    if not args.small and args.only != "default":
        others(max(runs // 6, 2), args.seed)
    print(
        "\n".join(
            ["", *(f"{'ok' if bar.held else 'MISSED':<7}{bar.name:<44}{bar.measured:<34}{bar.wanted}" for bar in bars)]
        )
    )
    return 0 if all(bar.held for bar in bars) else 1


def default_judge(runs: int, seed: int, *, small: bool) -> Iterable[Bar]:
    """All bars; in the small form rates get the room that few runs need."""
    yield from equal_arms(runs, seed, small=small)
    yield from changes(max(runs // 2, 3), seed, small=small)
    yield from speed(1_000_000 if small else 10_000_000, small=small)


def equal_arms(runs: int, seed: int, *, small: bool) -> Iterable[Bar]:
    """A/A: the same build in both arms."""
    failed, total, worst, passed = 0, 0, 0.0, math.nan
    for family in FAMILIES:
        count = max(runs // 4, 2) if family.rate_rps > 1000 else runs
        seen = _many(watch, family, NONE, count, seed)
        fails = sum(run.failed_s is not None for run in seen)
        passes = sum(run.verdict is Verdict.PASS for run in seen) / count
        beyond = sum(run.beyond_s is not None for run in seen)
        print(
            f"A/A {family.name:<24} {count:4d} runs  failed {fails} (beyond tolerance {beyond})  passed {passes:.0%}",
            flush=True,
        )
        failed, total = failed + fails, total + count
        worst = max(worst, share_interval(fails, count, confidence=0.9)[0])
        passed = passes if family.rate_rps > 1000 else passed
    yield _bar("A/A failed, pooled", failed, total, most=0.04 if small else 0.01)
    yield Bar(
        name="A/A failed, worst family (lower 95 % bound)",
        measured=f"{worst:.1%}",
        wanted="<= 3 %",
        held=small or worst <= 0.03,
    )
    yield Bar(
        name="A/A passed at 2,000 requests/s", measured=f"{passed:.0%}", wanted=">= 85 %", held=small or passed >= 0.85
    )


def changes(runs: int, seed: int, *, small: bool) -> Iterable[Bar]:
    """Harm, harm within tolerance, and what it takes to see it."""
    jobs = [*((PLAIN, harm) for harm in HARMS), (RARE, RARE_HARM), *((FAULT, harm) for harm in FAULT_HARMS)]
    chosen = jobs[::4] if small else jobs
    seen = {harm.name: _many(watch, family, harm, runs, seed) for family, harm in chosen}
    times = {name: [_seconds(run) for run in found] for name, found in seen.items()}
    for name, found in seen.items():
        power = np.mean([run.failed_s is not None for run in found])
        print(
            f"harm {name:<24} {len(found):4d} runs  failed {power:.0%}  median {np.median(times[name]):.0f} s",
            flush=True,
        )
    failed = sum(run.failed_s is not None for found in seen.values() for run in found)
    yield _bar("power over harmful changes", failed, runs * len(chosen), least=0.9 if small else 0.97)
    for name, least in (
        ("p99 +25 %", 0.95),
        ("errors x1.5", 0.8),
        ("0.01 % + 0.1 pp", 0.95),
        ("fault-only errors", 0.95),
        ("fault-only p50 +20 %", 0.95),
        ("late errors x3", 0.95),
        ("late p50 +10 %", 0.95),
    ):
        if name in seen and not small:
            yield _bar(f"power, {name}", sum(run.failed_s is not None for run in seen[name]), runs, least=least)
    for name, most in (("outage 20 %", 10.0), ("p50 +10 %", 40.0)):
        if name in seen:
            median = float(np.median(times[name]))
            yield Bar(
                name=f"seconds to detect, {name}",
                measured=f"{median:.0f} (median)",
                wanted=f"<= {most:.0f}",
                held=median <= most,
            )
    ratio = math.exp(np.mean([np.log(found) for found in times.values()])) / PLAIN.duration_s
    yield Bar(
        name="time to detect over Kayenta's at its end",
        measured=f"{ratio:.2f}",
        wanted="<= 0.45",
        held=ratio <= (0.65 if small else 0.45),
    )
    within = [run for harm in WITHIN[:: 3 if small else 1] for run in _many(watch, PLAIN, harm, runs, seed)]
    yield _bar(
        "changes within tolerance failed", sum(run.beyond_s is not None for run in within), len(within), most=0.01
    )
    wrong = [(PLAIN, harm) for harm in BEYOND] + [(FAULT, harm) for harm in FAULT_HARMS]
    unsafe = [run for family, harm in wrong[:: 3 if small else 1] for run in _many(watch, family, harm, runs, seed)]
    yield _bar(
        "passed although beyond tolerance", sum(run.verdict is Verdict.PASS for run in unsafe), len(unsafe), most=0.01
    )


def speed(count: int, *, small: bool) -> Iterable[Bar]:
    """Reducing and judging many samples on one core, measured in CPU seconds."""
    rng = np.random.default_rng(1)
    arms = []
    for share in (0.8, 0.2):
        size = int(count * share)
        latency = 0.025 * np.exp(0.5 * rng.standard_normal(size))
        status = np.where(rng.random(size) < 0.005, 503, 200)
        arms.append({"time_s": rng.uniform(0, 300, size), "latency_s": latency, "status": status})
    started = time.process_time()
    compare(*arms)
    seconds = time.process_time() - started
    yield Bar(
        name=f"CPU seconds for {count:,} samples", measured=f"{seconds:.2f}", wanted="<= 2", held=small or seconds <= 2
    )


def others(runs: int, seed: int) -> None:
    """The same families and harms under the other judges."""
    judges: dict[str, Watch] = {
        "kayenta, once at the end": partial(at_end, "kayenta"),
        "fixed limits": partial(at_end, "limits"),
        "naive, every look": naive,
    }
    harmful = [*((PLAIN, harm) for harm in HARMS), (RARE, RARE_HARM), *((FAULT, harm) for harm in FAULT_HARMS)]
    beyond = [(PLAIN, harm) for harm in BEYOND] + [(FAULT, harm) for harm in FAULT_HARMS]
    small = [family for family in FAMILIES if family.rate_rps <= 1000]
    print(f"\n{'':<28}{'A/A failed':>12}{'worst family':>14}{'power':>8}{'unsafe pass':>13}{'median s':>10}")
    for name, judged in judges.items():
        rates = [
            np.mean([run.failed_s is not None for run in _many(judged, family, NONE, runs, seed)]) for family in small
        ]
        seen = [run for family, harm in harmful for run in _many(judged, family, harm, runs, seed)]
        unsafe = np.mean(
            [run.verdict is Verdict.PASS for family, harm in beyond for run in _many(judged, family, harm, runs, seed)]
        )
        power, median = np.mean([run.failed_s is not None for run in seen]), np.median([_seconds(run) for run in seen])
        print(
            f"{name:<28}{np.mean(rates):>12.1%}{max(rates):>14.0%}{power:>8.0%}{unsafe:>13.0%}{median:>10.0f}",
            flush=True,
        )


def _many(judged: Watch, family: Family, harm: Harm, runs: int, seed: int) -> Sequence[Watched]:
    return [judged(family, replace(harm), seed + number) for number in range(runs)]


def _seconds(run: Watched) -> float:
    return run.horizon_s if run.failed_s is None else run.failed_s


def _bar(name: str, hits: int, runs: int, *, most: float | None = None, least: float | None = None) -> Bar:
    rate = hits / runs
    low, high = share_interval(hits, runs, confidence=0.95)
    held = rate <= most if most is not None else rate >= (least or 0.0)
    wanted = f"<= {most:.0%}" if most is not None else f">= {least:.0%}"
    return Bar(name=name, measured=f"{rate:.1%} ({hits} of {runs}; {low:.1%} to {high:.1%})", wanted=wanted, held=held)


if __name__ == "__main__":
    sys.exit(main())
