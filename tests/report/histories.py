"""Make histories of many runs without running anything: seeded entries as the index keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.history import index
from harness.history.index import RunEntry
from harness.history.searches import Search
from harness.model.breaking_point import SHARE, TIME, BreakingPoint
from harness.summary import Judged, Summary

NIGHT_S = 86_400.0
FIRST_S = 1_700_000_000.0
OBJECTIVES = ("latency_p50", "latency_p90", "latency_p99", "error_rate")
PHASES = ("steady", "fault")
NOISE = 0.03
"""Standard deviation of a night's difference of latencies: 3 %."""


def judged(name: str, phase: str, difference: float, *, verdict: str = "pass") -> Judged:
    """One objective with an interval of plus or minus 5 %, or 0.2 pp for errors."""
    relative = name != "error_rate"
    half = 0.05 if relative else 0.002
    return Judged(
        name=name, phase=phase, verdict=verdict, shown=f"{difference:+.1%}", tolerance="+15 %",
        unit="s" if relative else "ratio", difference=difference, low=difference - half, high=difference + half,
        confidence=0.95, relative=relative, margin=0.15 if relative else 0.005, baseline=0.03, canary=0.03 * (1 + difference),
        worse="increase",
    )  # fmt: skip


def summary(
    night: int, scenario: str, objectives: tuple[Judged, ...], *, verdict: str = "pass", commit: str = ""
) -> Summary:
    """One scenario of a night."""
    return Summary(
        run=run_name(night), folder=scenario.replace("/", "."), scenario=scenario, test=f"scenarios/test_shop.py::{scenario}",
        started_s=FIRST_S + night * NIGHT_S, verdict=verdict, about="reviews answers when ratings is slow", service="reviews",
        target="cluster", duration_s=240.0, requests=48_000, score=99.0 if verdict == "pass" else 40.0,
        reason=f"{scenario} is {verdict}", commit=commit or f"{night:012x}", objectives=objectives,
    )  # fmt: skip


def run_name(night: int) -> str:
    """The folder of a night's run."""
    return f"20240101-{night:06d}-{night % 65536:04x}"


def entry(night: int, *scenarios: Summary) -> RunEntry:
    """A night's run."""
    return RunEntry(
        run=run_name(night), stamp=f"{night}", started_s=FIRST_S + night * NIGHT_S, finished_s=FIRST_S + night * NIGHT_S + 600,
        exit_code=0, trouble="", scenarios=scenarios,
    )  # fmt: skip


def nights(values: list[float], *, scenario: str = "test_reviews", name: str = "latency_p90") -> list[RunEntry]:
    """A run for each value of one objective."""
    return [entry(n, summary(n, scenario, (judged(name, "steady", value),))) for n, value in enumerate(values)]


def noise(random: np.random.Generator, size: int) -> np.ndarray:
    """Nightly noise with tails heavier than a normal distribution's: Student's t with 5 degrees of freedom."""
    return random.standard_t(5, size) * NOISE / np.sqrt(5 / 3)


def years(runs: int, *, scenarios: int = 3, seed: int = 1) -> list[RunEntry]:
    """Many nights of several scenarios: mostly passes, some of every other verdict, and a step in one objective."""
    random = np.random.default_rng(seed)
    names = [f"test_scenario_{number}" for number in range(scenarios)]
    drawn = {
        (s, o, p): noise(random, runs) * (0.05 if o == "error_rate" else 1)
        for s in names
        for o in OBJECTIVES
        for p in PHASES
    }
    drawn[names[0], "latency_p90", "steady"][runs * 2 // 3 :] += 0.10
    verdicts = random.choice(
        ["pass", "fail", "marginal", "inconclusive", "none"], (runs, scenarios), p=(0.93, 0.02, 0.02, 0.02, 0.01)
    )
    found = []
    for night in range(runs):
        own = []
        for number, scenario in enumerate(names):
            verdict = str(verdicts[night, number])
            rows = tuple(
                judged(o, p, float(drawn[scenario, o, p][night]), verdict=verdict if (o, p) == ("latency_p99", "fault") and verdict != "none" else "pass")
                for o in OBJECTIVES for p in PHASES
            )  # fmt: skip
            one = summary(night, scenario, rows if verdict != "none" else (), verdict=verdict)
            own.append(replace(one, trouble="worker crashed") if verdict == "none" else one)
        found.append(entry(night, *own))
    return found


def search(
    night: int,
    *,
    canary: tuple[float | None, float | None] = (0.349, 0.365),
    fault: str = "delay(ratings)",
    **more: object,
) -> Search:
    """A search whose baseline withstands five seconds. canary: what it withstood, and what broke it."""
    started = datetime.fromtimestamp(FIRST_S + night * NIGHT_S, UTC).isoformat(timespec="seconds")
    values = {
        "searched": TIME,
        "objectives": ("error_rate < +10pp",),
        "folder": f"explorations/{run_name(night)}/1-ratings",
    } | more
    arms = {
        "baseline": BreakingPoint(withstood=5.0, broke=None),
        "canary": BreakingPoint(withstood=canary[0], broke=canary[1]),
    }
    return Search(started=started, service="reviews", fault=fault, target="local", arms=arms, **values)


def searches(nights: int) -> list[Search]:
    """Sixty nights or so in which the canary gets worse, and one search by share of requests that proves nothing."""
    random = np.random.default_rng(2)
    found = []
    for night in range(nights):
        middle = (0.38 if night < nights * 2 // 3 else 0.21) * float(np.exp(random.normal(0, 0.02)))
        found.append(search(night, canary=(round(middle * 0.98, 3), round(middle * 1.02, 3))))
    return [*found, search(nights, fault="abort(details, 503)", searched=SHARE, unproven="the fault hit nothing")]


def written(folder: Path, entries: list[RunEntry]) -> Path:
    """Write the index of a history into the folder of its runs, which need not exist any more."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / index.NAME
    index.add_runs(path, entries)
    return path
