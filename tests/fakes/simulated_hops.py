"""Runs of two arms as hops: what proxies would count of services that are simulated request by request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.model.hops import Hop
from harness.model.phase import PhaseKind, PhasePlan

PHASES = (
    PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=15),
    PhasePlan(name="fault", kind=PhaseKind.FAULT, duration_s=15, faults=("delay",)),
)
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a version of reviews behaves. ratings is slow in the fault phase: ``dose`` of its calls take 2 s more."""

    own_ms: float = 20.0
    ratings_per_request: float = 1.0
    details_per_request: float = 0.0
    retries: int = 0
    timeout_s: float = 0.4
    slow_instance: bool = False
    own_errors: float = 0.0


PLANTS: dict[str, tuple[Build, str, str]] = {
    "retry storm": (Build(retries=2), "ratings", "retries"),
    "lost timeout": (Build(timeout_s=10.0), "ratings", "longer waits"),
    "extra call": (Build(details_per_request=1.0), "details", "extra calls"),
    "dropped cache": (Build(ratings_per_request=1.0), "ratings", "dropped cache"),
    "slower own code": (Build(own_ms=27.0), "reviews", "slower code"),
    "a slow instance": (Build(slow_instance=True), "reviews", "slow instance"),
}
"""By name: the canary's build, the hop that explains it, and the kind of cause."""


def baseline_of(plant: str) -> Build:
    """The build that the canary replaces: only one with a cache can lose it."""
    return Build(ratings_per_request=0.25) if plant == "dropped cache" else Build()


def run(baseline: Build, canary: Build, *, seed: int, requests: int = 1500, dose: float = 0.3) -> tuple[Hop, ...]:
    """The hops of a run with so many requests per arm and phase."""
    rng = np.random.default_rng(seed)
    return tuple(
        hop
        for arm, build in (("baseline", baseline), ("canary", canary))
        for phase in PHASES
        for hop in _phase(rng, arm, build, phase, count=int(rng.poisson(requests)), dose=dose)
    )


def _phase(
    rng: np.random.Generator, arm: str, build: Build, phase: PhasePlan, *, count: int, dose: float
) -> Iterator[Hop]:
    version = {"baseline": "v2", "canary": "v3"}[arm]
    drift = _drift(rng, count)
    spent = rng.lognormal(np.log(build.own_ms / 1000), 0.35, count) * drift
    instance = rng.integers(0, 2, count)
    if build.slow_instance:
        spent = np.where(instance == 1, spent * 1.8, spent)
    share = dose if phase.kind is PhaseKind.FAULT else 0.0
    for name, per_request, hit in (
        ("ratings", build.ratings_per_request, share),
        ("details", build.details_per_request, 0.0),
    ):
        wanted = rng.random(count) < per_request
        calls: list[Floats] = []
        errors = 0
        for _ in range(build.retries + 1):
            number = int(wanted.sum())
            if not number:
                break
            latency = rng.lognormal(np.log(0.008), 0.4, number) * drift[wanted] + 2.0 * (rng.random(number) < hit)
            timed_out = latency > build.timeout_s
            latency = np.minimum(latency, build.timeout_s)
            spent[wanted] += latency
            calls.append(latency)
            errors += int(timed_out.sum())
            wanted[wanted] = timed_out
        if calls:
            yield _hop(
                Hop(phase=phase.name, arm=arm, caller=f"reviews-{version}", destination=f"{name}.shop.svc", version="v1"),
                np.concatenate(calls), errors,
            )  # fmt: skip
    failed = rng.random(count) < build.own_errors
    for number in (0, 1):
        here = instance == number
        yield _hop(
            Hop(phase=phase.name, arm=arm, caller="loadgenerator", destination="reviews.shop.svc", version=version,
                instance=f"10.0.0.{number}:9080"),
            spent[here], int(failed[here].sum()),
        )  # fmt: skip


def _drift(rng: np.random.Generator, count: int) -> Floats:
    """A machine that is slower for some seconds now and then: latencies of neighbours depend on each other."""
    blocks = np.empty(40)
    level = 0.0
    for index in range(40):
        level = 0.7 * level + rng.normal(0, 0.04)
        blocks[index] = level
    return np.exp(np.repeat(blocks, count // 40 + 1)[:count])


def _hop(hop: Hop, latency_s: Floats, errors: int) -> Hop:
    """The hop with whole milliseconds in bins of two digits, as Envoy keeps them."""
    bins: Counter[tuple[float, float]] = Counter()
    for value in np.floor(latency_s * 1000):
        width = 0.0 if value == 0 else 10.0 ** (np.floor(np.log10(value)) - 1)
        bins[float(value if width == 0 else np.floor(value / width) * width), float(width)] += 1
    return replace(
        hop, calls=len(latency_s), errors=errors, attempts=len(latency_s),
        latency_ms=tuple((low, width, bins[low, width]) for low, width in sorted(bins)),
    )  # fmt: skip
