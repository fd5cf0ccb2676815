"""Measure how busy this machine is, and choose the rate and the length of the demo's run to suit it."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.cli.power import planned
from harness.config import Config
from harness.faults import Fault
from harness.judge.assumed import Assumed
from harness.judge.power import shows_all
from harness.model.phase import PhaseLength, least_of
from harness.model.units import format_duration

PROBE_S = 1.5
"""How long the measurement takes."""
_TICK_S = 0.005
_BUSY_LOAD, _BUSY_SHARE, _BUSY_LATE_S = 1.5, 0.7, 0.005
"""A machine is busy above this load for each CPU, below this share, or above this lateness."""
_FULL_RATE_SHARE = 0.1
"""At its full rate of 200 requests per second, the demo's load generator uses 8 % of a CPU."""
_SPREAD, _LATENCY_S = 0.15, 0.11
"""Of the demo's answers: the standard deviation of the logarithm of their latencies, and their median."""
_ERROR_RATE = 0.0005
_LENGTHS = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
_OVERDISPERSION, _MOST_OVERDISPERSION = 1.1, 3.0
"""How much noisier than independent requests the demo's arms are: on a quiet machine, and at most on a busy one."""
_BLOCK = 10
"""Wake-ups in a block, for the measurement of how much the lateness comes in bursts."""
_CERTAINTY = 1.4
"""The judge predicts the difference that it detects in 95 of 100 runs for one objective. A difference this many times
larger is detected in 99 of 100 runs for all twelve findings: (2.0 + 3.1) / (2.0 + 1.64) standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The result of the measurement.

    load: processes that run or are waiting to run, averaged over a minute. cpus: CPUs that this process may use.
    share: the share of a CPU that one process gets, in (0, 1]. late_s: how late a sleeping process is woken, at most in
    99 of 100 cases. clustering: the variance of the lateness of blocks of wake-ups, relative to independent ones.
    """

    load: float
    cpus: int
    share: float
    late_s: float
    clustering: float = 1.0

    @property
    def busy(self) -> bool:
        """Whether other work takes enough of the machine to disturb the latencies."""
        return self.load > _BUSY_LOAD * self.cpus or self.share < _BUSY_SHARE or self.late_s > _BUSY_LATE_S

    @property
    def overdispersion(self) -> float:
        """How much noisier than independent requests the arms of a run will be here.

        On a quiet machine, wake-ups are late by microseconds only, and bursts of these say nothing about requests.
        """
        measured = self.clustering if self.busy else _OVERDISPERSION
        return min(max(measured, _OVERDISPERSION), _MOST_OVERDISPERSION)

    def __str__(self) -> str:
        return f"this machine is {'busy' if self.busy else 'quiet'} (load {self.load:.0f} on {self.cpus} CPUs)"


def measure(
    *,
    now: Callable[[], float] = time.monotonic,
    cpu_s: Callable[[], float] = time.process_time,
    sleep: Callable[[float], None] = time.sleep,
    load: Callable[[], tuple[float, float, float]] = os.getloadavg,
    probe_s: float = PROBE_S,
) -> Machine:
    """Sleep in short steps and then compute for a moment, and return how late and how slow both were."""
    late: list[float] = []
    end = now() + probe_s * 2 / 3
    while (began := now()) < end:
        sleep(_TICK_S)
        late.append(now() - began - _TICK_S)
    began, used_s = now(), cpu_s()
    while now() < began + probe_s / 3:
        pass
    share = (cpu_s() - used_s) / (now() - began)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_most_s = sorted(late)[int(0.99 * len(late))]
    return Machine(
        load=load()[0],
        cpus=cpus,
        share=min(max(share, 0.01), 1.0),
        late_s=max(at_most_s, 0.0),
        clustering=_clustering(late),
    )


def _clustering(late_s: Sequence[float]) -> float:
    """Return the variance of the means of blocks, times their size, relative to the variance of all; 1 if unknown."""
    blocks = [late_s[at : at + _BLOCK] for at in range(0, len(late_s) - _BLOCK + 1, _BLOCK)]
    variance = statistics.pvariance(late_s) if late_s else 0.0
    if len(blocks) < 3 or variance == 0:
        return 1.0
    return _BLOCK * statistics.variance(map(statistics.fmean, blocks)) / variance


def sized(config: Config, faults: Sequence[Fault], machine: Machine) -> Config:
    """Return the configuration with a rate and phases at which the verdict is shown in 99 of 100 runs.

    The rate is what the load generator can send with the share of a CPU that it gets, but at least a third of the usual
    one. The phases are the shortest ones that have as many requests as usual and suffice for the latencies that this
    machine disturbs; where none do, they are three times as long as usual.
    """
    slower = max(min(_FULL_RATE_SHARE / machine.share, _LENGTHS[-1]), 1.0)
    load = dataclasses.replace(config.load, rate_rps=float(math.ceil(config.load.rate_rps / slower)))
    choices = [longer(dataclasses.replace(config, load=load), times) for times in _LENGTHS if times >= slower]
    return next((each for each in choices if _is_shown(each, faults, machine)), choices[-1])


def longer(config: Config, times: float) -> Config:
    """Return the configuration with judged phases that are ``times`` as long."""
    phases = config.phases
    lengths = {"steady_s": phases.steady_s, "fault_s": phases.fault_s, "recovery_s": phases.recovery_s}
    stretched = {name: _times(seconds, times) for name, seconds in lengths.items()}
    return dataclasses.replace(config, phases=dataclasses.replace(phases, **stretched))


def _times(seconds: float, times: float) -> float:
    """Return a length ``times`` as long, in whole seconds; only the longest length of a range is stretched."""
    least_s, longest_s = least_of(seconds), float(math.ceil(seconds * times))
    return longest_s if least_s is None else PhaseLength(longest_s, min(least_s, longest_s))


def described(config: Config) -> str:
    """Return the rate and the duration of a run with all phases, which may be decided earlier."""
    phases = config.phases
    total_s = phases.warm_up_s + phases.steady_s + phases.fault_s + phases.recovery_s
    return f"{config.load.rate_rps:g} requests per second for at most {format_duration(total_s)}"


def _is_shown(config: Config, faults: Sequence[Fault], machine: Machine) -> bool:
    """Return whether a canary like the baseline is shown within every tolerance."""
    disturbed = math.hypot(_SPREAD, machine.late_s / _LATENCY_S)
    assumed = Assumed(error_rate=_ERROR_RATE, spread=disturbed, overdispersion=machine.overdispersion)
    return shows_all(planned(config, faults, target="local"), assumed, narrower=_CERTAINTY)
