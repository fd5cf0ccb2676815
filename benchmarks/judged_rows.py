"""Name the simulated runs that the bars of the judges are measured on, and run them in one or more processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from streams import FAMILIES, FAULT, FAULT_HARMS, HARMS, RARE, RARE_HARM, Family, Harm
from watched_runs import TOLERATED, Watched, at_end, first_fail, naive, objective_at_end, watch

Watch = Callable[[Family, Harm, int], Watched]
PLAIN = FAMILIES[0]
LARGE = next(family for family in FAMILIES if family.rate_rps > 1000)
MANY = replace(PLAIN, name="60,000 canary requests", rate_rps=1000.0)
BODY = replace(PLAIN, name="without a tail", tail=0.0)
SMALL_SHIFT = Harm(name="p50 +2 %", scale=1.02)
HARMFUL = (
    (PLAIN, SMALL_SHIFT),
    *((PLAIN, harm) for harm in HARMS),
    (RARE, RARE_HARM),
    *((FAULT, harm) for harm in FAULT_HARMS),
)
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
TIMED = {"outage 20 %": 1.0, "p50 +10 %": 2.0, "errors x2": 2.0, "p99 +25 %": 2.0}
"""Harms whose time to detect has a bar of its own, with the seconds between looks."""
ONSETS_S = (65.0, 150.0, 245.0)
SUDDEN = ("outage 20 %", "all x2", "p50 +10 %")
"""Harms that also begin late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of run: its stream, and how it is judged. group: which bars it counts for."""

    group: str
    name: str
    family: Family
    harm: Harm
    judged: Watch
    runs: int

    @property
    def key(self) -> tuple[str, str]:
        """What bars find the row by."""
        return self.group, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row with the results of its runs."""

    row: Row
    runs: Sequence[Watched]


def at_tolerance(times: float) -> tuple[tuple[str, Family, Harm], ...]:
    """Return each objective with a family and the harm that is exactly so many times its tolerance."""
    p50, p90, p99, errors, throughput = TOLERATED
    all_slower = Harm(name="all slower", scale=1 + 0.1 * times)
    return (
        (p50, PLAIN, all_slower),
        (p90, PLAIN, all_slower),
        (p99, BODY, Harm(name="all slower by the tolerance of p99", scale=1 + 0.25 * times)),
        (errors, PLAIN, Harm(name="more errors", errors=0.005 * times)),
        (throughput, PLAIN, Harm(name="fewer requests", lost=0.1 * times)),
    )


def rows(runs: int, *, small: bool) -> Iterator[Row]:
    """Yield the rows for the default judge. runs: of each family of equal arms; the small form has fewer rows too."""
    for family in FAMILIES:
        count = max(runs // 4, 2) if family is LARGE else runs
        yield Row(group="equal", name=family.name, family=family, harm=Harm(), judged=watch, runs=count)
    some = max(runs // 4, 3)
    for family, harm in HARMFUL[1::4] if small else HARMFUL:
        yield Row(group="harmful", name=harm.name, family=family, harm=harm, judged=watch, runs=some)
    step = 3 if small else 1
    for harm in WITHIN[::step]:
        yield Row(group="within", name=harm.name, family=PLAIN, harm=harm, judged=watch, runs=some)
    beyond = [*((PLAIN, harm) for harm in BEYOND), *((FAULT, harm) for harm in FAULT_HARMS)]
    for family, harm in beyond[::step]:
        yield Row(group="beyond", name=harm.name, family=family, harm=harm, judged=watch, runs=some)
    if not small:
        yield from _only_in_full(runs)


def _only_in_full(runs: int) -> Iterator[Row]:
    few, many = max(runs // 10, 3), runs * 2
    shift = Harm(name="p99 +10 %", stretch=1.1)
    yield Row(group="many", name=shift.name, family=MANY, harm=shift, judged=watch, runs=max(runs // 5, 3))
    harms = {harm.name: harm for harm in HARMS}
    for name, look_s in TIMED.items():
        judged = partial(first_fail, look_s=look_s)
        yield Row(group="timed", name=name, family=PLAIN, harm=harms[name], judged=judged, runs=few)
    for name in SUDDEN:
        for onset_s in (0.0, *ONSETS_S):
            harm = replace(harms[name], name=f"{name} at {onset_s:g} s", onset=onset_s / PLAIN.duration_s)
            judged = partial(first_fail, look_s=2.0)
            yield Row(group="onset", name=harm.name, family=PLAIN, harm=harm, judged=judged, runs=few)
    for group, times in (("at tolerance", 1.0), ("beyond by half", 1.5)):
        for text, family, harm in at_tolerance(times):
            judged = partial(objective_at_end, text)
            yield Row(group=group, name=text, family=family, harm=harm, judged=judged, runs=many)


def rows_of_others(runs: int) -> dict[str, tuple[Row, ...]]:
    """Return rows for the judges that the default one is compared with: Kayenta's, fixed limits and naive tests."""
    judges: dict[str, Watch] = {
        "kayenta": partial(at_end, "kayenta"),
        "limits": partial(at_end, "limits"),
        "naive": naive,
    }
    few = max(runs // 10, 2)
    return {
        name: tuple(
            replace(row, judged=judged, runs=min(row.runs, few))
            for row in rows(runs, small=False)
            if row.group in {"equal", "harmful", "within", "beyond"}
        )
        for name, judged in judges.items()
    }


Runner = Callable[[Row, int], Measured]


@contextmanager
def runner(jobs: int) -> Iterator[Runner]:
    """Give a function that runs a row, beginning with a seed, in so many processes."""
    if jobs == 1:
        yield lambda row, seed: Measured(row=row, runs=[_one(row, number) for number in range(seed, seed + row.runs)])
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield lambda row, seed: Measured(
                row=row, runs=list(pool.map(partial(_one, row), range(seed, seed + row.runs), chunksize=4))
            )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one(row: Row, seed: int) -> Watched:
    return row.judged(row.family, row.harm, seed)
