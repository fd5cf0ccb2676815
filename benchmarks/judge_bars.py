"""Measure the judges' error rates on simulated streams: ``python benchmarks/judge_bars.py``.

Prints one table with the required and measured values of the default judge. Further columns show the same values for
Kayenta's judge (once, at the end), for fixed limits, and for naive tests that treat requests as independent and are
repeated at every look. The exit code is 1 if the default judge misses a required value. ``--small`` takes a minute and
runs only the default judge; the full form takes about half an hour on one core. A run can fail in two senses: because
of *any harm* (A/A, power and time to detect count this) or of harm *beyond tolerance* (the default; changes within
tolerance count this).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from streams import FAMILIES, FAULT, FAULT_HARMS, HARMS, RARE, RARE_HARM, Family, Harm
from watched_runs import Watched, at_end, naive, watch

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
JUDGES: dict[str, Watch] = {
    "sequential": watch,
    "kayenta": partial(at_end, "kayenta"),
    "limits": partial(at_end, "limits"),
    "naive": naive,
}
LEAST_POWER = {
    "p99 +25 %": 0.95,
    "errors x1.5": 0.8,
    "0.01 % + 0.1 pp": 0.95,
    "fault-only errors": 0.95,
    "fault-only p50 +20 %": 0.95,
    "late errors x3": 0.95,
    "late p50 +10 %": 0.95,
}
MOST_SECONDS = {"outage 20 %": 10.0, "p50 +10 %": 40.0}
LARGE = next(family.name for family in FAMILIES if family.rate_rps > 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of the table: the measured value, the required value and whether it is met."""

    name: str
    measured: str
    wanted: str
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One judge's results: by family of equal arms, by harm, and for changes within and beyond tolerance."""

    equal: dict[str, Sequence[Watched]]
    harmful: dict[str, Sequence[Watched]]
    within: Sequence[Watched]
    beyond: Sequence[Watched]


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=75, help="runs of each family (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=900_000, help="first seed (default: %(default)s)")
    parser.add_argument(
        "--small", action="store_true", help="few runs, and only requirements that random variation does not break"
    )
    parser.add_argument("--only", choices=JUDGES, action="append", help="only this judge; may be repeated")
    args = parser.parse_args()
    chosen = args.only or (["sequential"] if args.small else list(JUDGES))
    table: dict[str, list[Bar]] = {}
    for name in chosen:
        runs = 2 if args.small else args.runs if name == "sequential" else max(args.runs // 5, 2)
        seen = seen_by(name, runs, args.seed, small=args.small)
        table[name] = list(bars(seen, small=args.small))
    print_table(table)
    return 0 if all(bar.held for bar in table.get("sequential", [])) else 1


def print_table(table: dict[str, list[Bar]]) -> None:
    """Print a row per requirement with each judge's value. Only the default judge has to meet it."""
    first = next(iter(table.values()))
    measured = {name: {bar.name: bar for bar in found} for name, found in table.items()}
    print(f"\n{'':<7}{'':<44}{'wanted':<10}" + "".join(f"{name:<26}" for name in table))
    for bar in first:
        own = measured.get("sequential", {}).get(bar.name)
        mark = "" if own is None else "ok" if own.held else "MISSED"
        cells = (found[bar.name].measured if bar.name in found else "-" for found in measured.values())
        print(f"{mark:<7}{bar.name:<44}{bar.wanted:<10}" + "".join(f"{cell:<26}" for cell in cells))


def seen_by(name: str, runs: int, seed: int, *, small: bool) -> Seen:
    """Run every simulation with one judge; the small form has only some of the harms."""
    judged, equal = JUDGES[name], {}
    for family in FAMILIES:
        count = max(runs // 4, 2) if family.name == LARGE else runs
        equal[family.name] = found = _many(judged, family, NONE, count, seed)
        beyond = sum(run.beyond_s is not None for run in found)
        print(
            f"{name}: A/A {family.name:<24} {count:4d} runs  failed {_fails(found)} (beyond tolerance {beyond})  "
            f"passed {_passes(found) / count:.0%}",
            flush=True,
        )
    runs = max(runs // 2, 3)
    jobs = [*((PLAIN, harm) for harm in HARMS), (RARE, RARE_HARM), *((FAULT, harm) for harm in FAULT_HARMS)]
    harmful = {}
    for family, harm in jobs[:: 4 if small else 1]:
        harmful[harm.name] = found = _many(judged, family, harm, runs, seed)
        print(
            f"{name}: harm {harm.name:<24} {runs:4d} runs  failed {_fails(found) / runs:.0%}  "
            f"median {_median(found):.0f} s",
            flush=True,
        )
    wrong = [*((PLAIN, harm) for harm in BEYOND), *((FAULT, harm) for harm in FAULT_HARMS)]
    step = 3 if small else 1
    return Seen(
        equal=equal,
        harmful=harmful,
        within=[run for harm in WITHIN[::step] for run in _many(judged, PLAIN, harm, runs, seed)],
        beyond=[run for family, harm in wrong[::step] for run in _many(judged, family, harm, runs, seed)],
    )


def bars(seen: Seen, *, small: bool) -> Iterable[Bar]:
    """Yield all requirements. The small form has wider limits, because it has few runs."""
    yield from equal_arms(seen, small=small)
    yield from harm_seen(seen, small=small)
    yield _bar("changes within tolerance failed", _beyond(seen.within), len(seen.within), most=0.01)
    yield _bar("passed although beyond tolerance", _passes(seen.beyond), len(seen.beyond), most=0.01)


def equal_arms(seen: Seen, *, small: bool) -> Iterable[Bar]:
    """Yield the requirements for A/A runs, with the same build in both arms."""
    total = sum(map(len, seen.equal.values()))
    yield _bar("A/A failed, pooled", sum(map(_fails, seen.equal.values())), total, most=0.04 if small else 0.01)
    low, family = max(
        (share_interval(_fails(runs), len(runs), confidence=0.9)[0], name) for name, runs in seen.equal.items()
    )
    yield Bar(
        name="A/A failed, worst family (lower 95 % bound)",
        measured=f"{low:.1%} ({family})" if low > 0 else "0.0%",
        wanted="<= 3 %",
        held=small or low <= 0.03,
    )
    large = seen.equal[LARGE]
    yield _bar("A/A passed at 2,000 requests/s", _passes(large), len(large), least=0.0 if small else 0.85)


def harm_seen(seen: Seen, *, small: bool) -> Iterable[Bar]:
    """Yield the requirements for harmful changes: how often and how soon they fail."""
    total = sum(map(len, seen.harmful.values()))
    power = 0.9 if small else 0.97
    yield _bar("power over harmful changes", sum(map(_fails, seen.harmful.values())), total, least=power)
    for name, least in LEAST_POWER.items():
        if name in seen.harmful and not small:
            yield _bar(f"power, {name}", _fails(seen.harmful[name]), len(seen.harmful[name]), least=least)
    for name, most in MOST_SECONDS.items():
        if name in seen.harmful:
            median = _median(seen.harmful[name])
            yield Bar(
                name=f"seconds to detect, {name}",
                measured=f"{median:.0f} (median)",
                wanted=f"<= {most:.0f}",
                held=median <= most,
            )
    logs = [np.mean([math.log(_seconds(run)) for run in found]) for found in seen.harmful.values()]
    ratio = math.exp(float(np.mean(logs))) / PLAIN.duration_s
    yield Bar(
        name="time to detect over Kayenta's at its end",
        measured=f"{ratio:.2f}",
        wanted="<= 0.45",
        held=ratio <= (0.65 if small else 0.45),
    )


def _many(judged: Watch, family: Family, harm: Harm, runs: int, seed: int) -> Sequence[Watched]:
    return [judged(family, replace(harm), seed + number) for number in range(runs)]


def _fails(runs: Sequence[Watched]) -> int:
    return sum(run.failed_s is not None for run in runs)


def _beyond(runs: Sequence[Watched]) -> int:
    return sum(run.beyond_s is not None for run in runs)


def _passes(runs: Sequence[Watched]) -> int:
    return sum(run.verdict is Verdict.PASS for run in runs)


def _median(runs: Sequence[Watched]) -> float:
    return float(np.median([_seconds(run) for run in runs]))


def _seconds(run: Watched) -> float:
    return run.horizon_s if run.failed_s is None else run.failed_s


def _bar(name: str, hits: int, runs: int, *, most: float | None = None, least: float | None = None) -> Bar:
    rate = hits / runs
    held = rate <= most if most is not None else rate >= (least or 0.0)
    wanted = f"<= {most:.0%}" if most is not None else f">= {least:.0%}"
    return Bar(name=name, measured=f"{rate:.1%} ({hits} of {runs})", wanted=wanted, held=held)


if __name__ == "__main__":
    sys.exit(main())
