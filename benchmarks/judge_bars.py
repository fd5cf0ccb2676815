"""Measure the default judge's error rates on simulated streams: ``python benchmarks/judge_bars.py --jobs 2``.

Prints a line for each kind of run as it is measured, and at the end one table with the required and measured values. The
exit code is 1 if a required value is missed. The full form takes about half an hour on one core; with Ctrl-C it ends with
the table of what is known. ``--small`` takes a minute. ``--others`` adds Kayenta's judge (once, at the end), fixed limits,
and naive tests that treat requests as independent and are repeated at every look. A run can fail in two senses: because
of *any harm* (A/A, power and time to detect count this) or of harm *beyond tolerance* (the default; changes within
tolerance count this).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from judged_rows import LARGE, ONSETS_S, PLAIN, SMALL_SHIFT, SUDDEN, TIMED, Measured, Row, rows, rows_of_others, runner
from streams import phases_of
from watched_runs import Watched

from harness.model.verdict import Verdict
from harness.stats.binomial import share_interval

Seen = dict[tuple[str, str], Measured]
MOST_EQUAL_FAILED, MOST_IN_A_FAMILY = 0.005, 0.02
LEAST_POWER = {
    "p99 +25 %": 0.95,
    "errors x1.5": 0.85,
    "0.01 % + 0.1 pp": 0.95,
    "fault-only errors": 0.95,
    "fault-only p50 +20 %": 0.95,
    "late errors x3": 0.95,
    "late p50 +10 %": 0.95,
}
# 95 % with p50 +2 % exclude 0.5 % of failed equal arms, too.
LEAST_POWER_OF_ALL = 0.93
# p50 +10 % in 20 s excludes 0.5 % of failed equal arms: benchmarks/judge_frontier.py shows how a point that is as fast fails
# more slow arms. This is the value of the point chosen there, which is the safe one.
MOST_SECONDS = {"outage 20 %": 5.0, "p50 +10 %": 50.0, "errors x2": 80.0, "p99 +25 %": 120.0}
MOST_SECONDS_OF_ALL = 70.0
# An outage is found as soon wherever it begins. Slower latencies that begin late have to be told from an arm that is slow for
# a while, for the same reason.
MOST_LATE_SECONDS = {"all x2": 25.0, "p50 +10 %": 120.0}
LOOK_S, ONSET_FACTOR = 2.0, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of the table: the measured value, the required value and whether it is met."""

    name: str
    measured: str
    wanted: str
    held: bool


def main() -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=150, help="runs of each family (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=900_000, help="first seed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument(
        "--small", action="store_true", help="few runs, and only requirements that random variation does not break"
    )
    parser.add_argument("--others", action="store_true", help="measure other judges too")
    args = parser.parse_args()
    wanted = {"sequential": tuple(rows(2 if args.small else args.runs, small=args.small))}
    if args.others:
        wanted |= rows_of_others(args.runs)
    table: dict[str, list[Bar]] = {}
    with runner(args.jobs) as run:
        for name, planned in wanted.items():
            seen, whole = _measured(name, planned, lambda row: run(row, args.seed))
            table[name] = list(bars(seen, small=args.small))
            if not whole:
                break
    print_table(table)
    return 0 if whole and all(bar.held for bar in table["sequential"]) else 1


def _measured(name: str, planned: Sequence[Row], run: Callable[[Row], Measured]) -> tuple[Seen, bool]:
    """Return what was measured, and whether that is everything."""
    seen: Seen = {}
    try:
        for row in planned:
            seen[row.key] = found = run(row)
            print(f"{name}: {row.group + ',':16}{row.name:28} {_summary(found.runs)}", flush=True)
    except KeyboardInterrupt:
        print("interrupted: the table has only what was measured so far")
        return seen, False
    return seen, True


def print_table(table: dict[str, list[Bar]]) -> None:
    """Print a row per requirement with each judge's value. Only the default judge has to meet it."""
    measured = {name: {bar.name: bar for bar in found} for name, found in table.items()}
    print(f"\n{'':<7}{'':<52}{'wanted':<10}" + "".join(f"{name:<26}" for name in table))
    for bar in table["sequential"]:
        cells = (found[bar.name].measured if bar.name in found else "-" for found in measured.values())
        print(
            f"{'ok' if bar.held else 'MISSED':<7}{bar.name:<52}{bar.wanted:<10}"
            + "".join(f"{cell:<26}" for cell in cells)
        )


def bars(seen: Seen, *, small: bool) -> Iterator[Bar]:
    """Yield the requirements on what was measured. The small form has wider limits, because it has few runs."""
    yield from _equal_arms(seen, small=small)
    yield from _power(seen, small=small)
    yield from _times(seen, small=small)
    within, beyond = _runs(seen, "within"), _runs(seen, "beyond")
    if within:
        yield _bar("changes within tolerance failed", _beyond(within), len(within), most=0.0)
    if beyond:
        yield _bar("passed although beyond tolerance", _passes(beyond), len(beyond), most=0.0)
    for (group, name), found in seen.items():
        if group == "at tolerance":
            yield _bar(f"passed exactly at {name}", _passes(found.runs), len(found.runs), most=0.05, promised=True)
    far = _runs(seen, "beyond by half")
    if far:
        yield _bar("passed at 1.5 times the tolerance", _passes(far), len(far), most=0.001)


def _equal_arms(seen: Seen, *, small: bool) -> Iterator[Bar]:
    """Yield the requirements for A/A runs, with the same build in both arms."""
    equal = {name: found.runs for (group, name), found in seen.items() if group == "equal"}
    if not equal:
        return
    every = _runs(seen, "equal")
    yield _bar("A/A failed, pooled", _fails(every), len(every), most=0.04 if small else MOST_EQUAL_FAILED)
    yield _bar("A/A failed beyond tolerance", _beyond(every), len(every), most=0.0)
    low, family = max(
        (share_interval(_fails(runs), len(runs), confidence=0.9)[0], name) for name, runs in equal.items()
    )
    yield Bar(
        name="A/A failed, worst family (lower 95 % bound)",
        measured=f"{low:.1%} ({family})" if low > 0 else "0.0%",
        wanted=f"<= {MOST_IN_A_FAMILY * 100:g} %",
        held=small or low <= MOST_IN_A_FAMILY,
    )
    for name, least in ((PLAIN.name, 0.6), (LARGE.name, 0.92)):
        if name in equal and not small:
            yield _bar(f"A/A passed, {name}", _passes(equal[name]), len(equal[name]), least=least)


def _power(seen: Seen, *, small: bool) -> Iterator[Bar]:
    """Yield the requirements on how many harmful changes fail."""
    every = _runs(seen, "harmful")
    if not every:
        return
    small_shift = seen.get(("harmful", SMALL_SHIFT.name))
    without = [run for key, found in seen.items() if key[0] == "harmful" and found != small_shift for run in found.runs]
    if not small:
        yield _bar("power over harmful changes", _fails(every), len(every), least=LEAST_POWER_OF_ALL)
    yield _bar(f"power without {SMALL_SHIFT.name}", _fails(without), len(without), least=0.9 if small else 0.98)
    single = {} if small else {("harmful", name): least for name, least in LEAST_POWER.items()}
    for key, least in {**single, ("many", "p99 +10 %"): 0.8}.items():
        if key in seen:
            found = seen[key]
            where = "" if key[0] == "harmful" else f", {found.row.family.name}"
            yield _bar(f"power, {key[1]}{where}", _fails(found.runs), len(found.runs), least=least)


def _times(seen: Seen, *, small: bool) -> Iterator[Bar]:
    """Yield the requirements on how soon harmful changes fail."""
    harmful = [found for key, found in seen.items() if key[0] == "harmful"]
    detected = [
        _seconds(run) - _onset_s(found.row) for found in harmful for run in found.runs if run.failed_s is not None
    ]
    if detected and not small:  # the small form has mostly the harms that take long
        yield _seconds_bar("all detections", float(np.median(detected)), MOST_SECONDS_OF_ALL)
    for name, look_s in TIMED.items():
        if ("timed", name) in seen:
            what = f"{name} (a look every {look_s:g} s)"
            yield _seconds_bar(what, _median(seen["timed", name].runs), MOST_SECONDS[name])
    for name in SUDDEN:
        first = seen.get(("onset", f"{name} at 0 s"))
        for onset_s in ONSETS_S:
            late = seen.get(("onset", f"{name} at {onset_s:g} s"))
            if first is not None and late is not None:
                most = MOST_LATE_SECONDS.get(name, ONSET_FACTOR * _median(first.runs) + LOOK_S)
                yield _seconds_bar(f"{name} from {onset_s:g} s on", _median(late.runs, after_s=onset_s), most)


def _onset_s(row: Row) -> float:
    """Return when the harm of a row begins."""
    if row.harm.in_fault:
        return phases_of(row.family)[0].duration_s
    return row.harm.onset * row.family.duration_s


def _summary(runs: Sequence[Watched]) -> str:
    return (
        f"{len(runs):4d} runs  failed {_fails(runs):3d}  beyond tolerance {_beyond(runs):3d}  "
        f"passed {_passes(runs):3d}  median {_median(runs):3.0f} s"
    )


def _runs(seen: Seen, group: str) -> list[Watched]:
    return [run for key, found in seen.items() if key[0] == group for run in found.runs]


def _fails(runs: Sequence[Watched]) -> int:
    return sum(run.failed_s is not None for run in runs)


def _beyond(runs: Sequence[Watched]) -> int:
    return sum(run.beyond_s is not None for run in runs)


def _passes(runs: Sequence[Watched]) -> int:
    return sum(run.verdict is Verdict.PASS for run in runs)


def _median(runs: Sequence[Watched], *, after_s: float = 0.0) -> float:
    return float(np.median([_seconds(run) - after_s for run in runs]))


def _seconds(run: Watched) -> float:
    return run.horizon_s if run.failed_s is None else run.failed_s


def _seconds_bar(name: str, median: float, most: float) -> Bar:
    return Bar(
        name=f"seconds to detect, {name}", measured=f"{median:.0f}", wanted=f"<= {most:.0f}", held=median <= most
    )


def _bar(
    name: str, hits: int, runs: int, *, most: float | None = None, least: float | None = None, promised: bool = False
) -> Bar:
    """Return a bar for a share. promised: whether ``most`` is what it should be, so that chance may exceed it."""
    rate = hits / runs
    compared = share_interval(hits, runs, confidence=0.95)[0] if promised else rate
    held = compared <= most if most is not None else rate >= (least or 0.0)
    wanted = f"<= {most * 100:g} %" if most is not None else f">= {(least or 0.0) * 100:g} %"
    return Bar(name=name, measured=f"{rate:.1%} ({hits} of {runs})", wanted=wanted, held=held)


if __name__ == "__main__":
    sys.exit(main())
