"""Simulate seeded streams of requests with realistic noise and a known harm to the canary.

A family describes a stream with two equal arms. A harm changes only the canary. Latencies are in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.samples import Samples

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of service and traffic.

    sigma: standard deviation of the lognormal body. tail: share of requests with a Pareto factor of index 2. pauses:
    mean seconds between stop-the-world pauses of one arm; pause_s: their longest length. arm_noise and arm_noise_s:
    standard deviation and correlation time of an Ornstein-Uhlenbeck process on each arm's log latency. ramp: the rate
    grows by this factor. bursts: mean seconds between bursts of errors in one arm; shared_bursts: in both. round_s:
    latencies are multiples of this. cold: both arms start slower by this factor and warm up within 5 s. fault: the
    fault phase slows both arms down.
    """

    name: str
    rate_rps: float = 400.0
    duration_s: float = 300.0
    share: float = 0.2
    sigma: float = 0.5
    tail: float = 0.01
    errors: float = 0.005
    pauses: float = 0.0
    pause_s: float = 0.3
    arm_noise: float = 0.0
    arm_noise_s: float = 10.0
    ramp: float = 1.0
    bursts: float = 0.0
    shared_bursts: float = 0.0
    round_s: float = 0.0
    cold: float = 0.0
    bimodal: bool = False
    fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """A change of the canary from ``onset`` (share of the run) on, or in the fault phase only.

    scale: factor of all latencies. stretch: factor of the 99th percentile, growing from the median up.
    errors: points added to the error rate; errors_factor multiplies it. slow_share: share of requests
    that take three times as long. lost: share of the canary's requests that never arrive.
    """

    name: str = "none"
    scale: float = 1.0
    stretch: float = 1.0
    errors: float = 0.0
    errors_factor: float = 1.0
    slow_share: float = 0.0
    lost: float = 0.0
    onset: float = 0.0
    in_fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The samples of a run, and its planned and actual phases."""

    samples: Samples
    plan: tuple[PhasePlan, ...]
    phases: tuple[Phase, ...] = field(default=())


def phases_of(family: Family) -> tuple[PhasePlan, ...]:
    """Return one steady phase, or the phases steady, fault and recovery in the ratio 2:1:2."""
    if not family.fault:
        return (PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=family.duration_s),)
    part = family.duration_s / 5
    return (
        PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=2 * part),
        PhasePlan(name="fault", kind=PhaseKind.FAULT, duration_s=part, faults=("delay",)),
        PhasePlan(name="recovery", kind=PhaseKind.RECOVERY, duration_s=2 * part),
    )


def stream(family: Family, harm: Harm, seed: int) -> Stream:
    """Simulate one run of ``family`` with ``harm``. The same seed gives the same run."""
    rng = np.random.default_rng([seed, *family.name.encode(), *harm.name.encode()])
    due = _arrivals(family, rng)
    arm = (rng.random(len(due)) < family.share).astype(np.int8)
    if harm.lost:
        kept = (arm == 0) | (rng.random(len(due)) >= harm.lost)
        due, arm = due[kept], arm[kept]
    plan = phases_of(family)
    ends = np.cumsum([phase.duration_s for phase in plan])
    in_fault = (due >= ends[0]) & (due < ends[1]) if family.fault else np.zeros(len(due), bool)
    harmed = (arm == 1) & (due >= harm.onset * family.duration_s) & (in_fault | (not harm.in_fault))
    latency = _latency(family, harm, _Requests(due=due, arm=arm, harmed=harmed, in_fault=in_fault), rng)
    chance = _error_chance(family, due, arm, rng)
    chance[harmed] = chance[harmed] * harm.errors_factor + harm.errors
    failed = rng.random(len(due)) < chance
    phases = tuple(
        Phase(name=phase.name, kind=phase.kind, start_s=float(end - phase.duration_s), end_s=float(end))
        for phase, end in zip(plan, ends, strict=True)
    )
    zeros = np.zeros(len(due))
    samples = Samples(
        due_s=due,
        latency_s=latency,
        late_s=zeros,
        status=np.where(failed, 503, 200).astype(np.int16),
        arm=arm,
        operation=zeros.astype(np.int16),
        error=zeros.astype(np.int16),
        size=zeros.astype(np.int32),
        operations=("GET /",),
        errors=("",),
    )
    return Stream(samples=samples, plan=plan, phases=phases)


def _arrivals(family: Family, rng: np.random.Generator) -> Floats:
    count = rng.poisson(family.rate_rps * family.duration_s)
    place = np.sort(rng.random(count))
    if family.ramp != 1:
        slope = family.ramp - 1
        place = (np.sqrt(1 + place * ((1 + slope) ** 2 - 1)) - 1) / slope
    return place * family.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requests:
    """The columns of a run: due times, arms, and which requests are harmed or subject to the fault."""

    due: Floats
    arm: NDArray[np.int8]
    harmed: NDArray[np.bool_]
    in_fault: NDArray[np.bool_]


def _latency(family: Family, harm: Harm, requests: _Requests, rng: np.random.Generator) -> Floats:
    latency = 0.025 * np.exp(_log_latency(family, harm, requests, rng))
    due = requests.due
    if family.tail:
        heavy = rng.random(len(due)) < family.tail
        latency[heavy] *= (1 - rng.random(int(heavy.sum()))) ** -0.5 * 2
    if family.cold:
        latency *= 1 + family.cold * np.exp(-due / 5)
    latency[requests.in_fault & (rng.random(len(due)) < 0.3)] += 0.2
    if family.pauses:
        for side in (0, 1):
            _pause(family, latency, due, requests.arm == side, rng)
    if family.round_s:
        latency = np.maximum(np.round(latency / family.round_s), 1) * family.round_s
    return latency


def _log_latency(family: Family, harm: Harm, requests: _Requests, rng: np.random.Generator) -> Floats:
    due, arm, harmed = requests.due, requests.arm, requests.harmed
    normal = rng.standard_normal(len(due))
    log = family.sigma * normal
    log[harmed] += np.log(harm.scale)
    if harm.stretch != 1:
        log[harmed] += np.log(harm.stretch) * np.clip(normal[harmed] / 2.326, 0, 1.5)
    if family.bimodal:
        log += np.log(4) * (rng.random(len(due)) < 0.3)
    if harm.slow_share:
        log += np.log(3) * (harmed & (rng.random(len(due)) < harm.slow_share))
    if family.ramp != 1:
        log += 0.4 * due / family.duration_s
    if family.arm_noise:
        log += _arm_noise(family, due, arm, rng)
    return log


def _arm_noise(family: Family, due: Floats, arm: NDArray[np.int8], rng: np.random.Generator) -> Floats:
    steps = int(family.duration_s * 4) + 2
    keep = np.exp(-0.25 / family.arm_noise_s)
    paths = np.empty((2, steps))
    paths[:, 0] = rng.standard_normal(2)
    kicks = rng.standard_normal((2, steps)) * np.sqrt(1 - keep**2)
    for step in range(1, steps):
        paths[:, step] = keep * paths[:, step - 1] + kicks[:, step]
    return family.arm_noise * paths[arm, (due * 4).astype(np.int64)]


def _pause(family: Family, latency: Floats, due: Floats, mine: NDArray[np.bool_], rng: np.random.Generator) -> None:
    count = rng.poisson(family.duration_s / family.pauses)
    for start in rng.random(count) * family.duration_s:
        end = start + family.pause_s * (0.3 + 0.7 * rng.random())
        first, last = np.searchsorted(due, (start, end))
        inside = np.zeros(len(due), bool)
        inside[first:last] = mine[first:last]
        latency[inside] += end - due[inside]


def _error_chance(family: Family, due: Floats, arm: NDArray[np.int8], rng: np.random.Generator) -> Floats:
    chance = np.full(len(due), family.errors)
    for gap, sides in ((family.bursts, ((0,), (1,))), (family.shared_bursts, ((0, 1),))):
        if not gap:
            continue
        for arms in sides:
            for start in rng.random(rng.poisson(family.duration_s / gap)) * family.duration_s:
                inside = (due >= start) & (due < start + 1 + rng.random()) & np.isin(arm, arms)
                chance[inside] += 0.2
    return chance


FAMILIES = (
    Family(name="plain"),
    Family(name="heavy tails", tail=0.05, sigma=0.7),
    Family(name="pauses", pauses=20.0),
    Family(name="frequent pauses", pauses=5.0, pause_s=0.15),
    Family(name="noisy arms", arm_noise=0.04, arm_noise_s=10.0),
    Family(name="slow noise", arm_noise=0.03, arm_noise_s=25.0),
    Family(name="ramp", ramp=4.0, rate_rps=160.0),
    Family(name="fault window", fault=True),
    Family(name="bursts", bursts=60.0),
    Family(name="shared bursts", shared_bursts=30.0),
    Family(name="ties", round_s=0.005),
    Family(name="cold start", cold=3.0),
    Family(name="bimodal", bimodal=True),
    Family(name="small 10/90", rate_rps=100.0, duration_s=120.0, share=0.1),
    Family(name="small 50/50", rate_rps=100.0, duration_s=120.0, share=0.5),
    Family(name="short fault, pauses", fault=True, duration_s=120.0, rate_rps=300.0, share=0.5, pauses=15.0),
    Family(name="large", rate_rps=2000.0),
)
HARMS = (
    Harm(name="p50 +5 %", scale=1.05),
    Harm(name="p50 +10 %", scale=1.10),
    Harm(name="all +30 %", scale=1.30),
    Harm(name="all x2", scale=2.0),
    Harm(name="p99 +25 %", stretch=1.25),
    Harm(name="p99 +50 %", stretch=1.5),
    Harm(name="bimodal 5 %", slow_share=0.05),
    Harm(name="errors x1.5", errors_factor=1.5),
    Harm(name="errors x2", errors_factor=2.0),
    Harm(name="errors x3", errors_factor=3.0),
    Harm(name="outage 20 %", errors=0.2),
    Harm(name="late errors x3", errors_factor=3.0, onset=0.6),
    Harm(name="late p50 +10 %", scale=1.1, onset=0.6),
    Harm(name="throughput -10 %", lost=0.1),
)
RARE = replace(FAMILIES[0], name="rare errors", errors=0.0001)
RARE_HARM = Harm(name="0.01 % + 0.1 pp", errors=0.001)
FAULT = next(family for family in FAMILIES if family.name == "fault window")
FAULT_HARMS = (
    Harm(name="fault-only errors", errors=0.03, in_fault=True),
    Harm(name="fault-only p50 +20 %", scale=1.2, in_fault=True),
)
Judged = Callable[[Stream], object]
