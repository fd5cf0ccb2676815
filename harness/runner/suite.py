"""Derive the faults that are worth trying from what a service calls, ordered by risk.

The risk of a dependency is how often a request calls it, doubled if nothing limits how long a call may wait, and
doubled again if a recorded run showed that requests fail while it fails. Each kind of fault has a weight of its own:
how often such trouble happens, and how much it costs a caller that is not prepared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.faults import abort, black_hole, connection_limit, delay, evict, kill, latency, pause, scale
from harness.faults.port import Fault
from harness.model.config import Config
from harness.model.hops import Hop
from harness.model.json import JsonObject
from harness.model.phase import PhaseKind
from harness.model.record import Record
from harness.model.samples import ARMS, BASELINE
from harness.model.units import format_duration
from harness.routing.istio.timeouts import longest_wait_s
from harness.runner.counts import service_name

_LONGER = 1.1
"""A delay that a timeout cuts off is so much longer than it."""
_SLOW_S = 2.0
"""The delay where no timeout is known."""
_NO_SERVICES = ("", "unknown", "PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster")
"""What Istio's metrics call destinations that are no service of the mesh."""
_FAILS = 0.5
"""Requests are not saved by a fallback if more than this share of the failed calls fails a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A service that the service under test calls.

    calls: per request, as they were counted last; None if they were not. wait_s: how long routes let a call wait;
    None without a limit. fails_without: the scenario of a run in which requests failed with it; empty if none did.
    """

    name: str
    calls: float | None = None
    wait_s: float | None = None
    fails_without: str = ""

    @property
    def risk(self) -> float:
        """How much is at stake, from 0 up."""
        calls = 1.0 if self.calls is None else self.calls
        return calls * (2 if self.wait_s is None else 1) * (2 if self.fails_without else 1)

    @property
    def why(self) -> str:
        """What the risk comes from, for people."""
        calls = "calls per request not known" if self.calls is None else f"{self.calls:.2g} calls per request"
        wait = "no timeout" if self.wait_s is None else f"timeout {format_duration(self.wait_s)}"
        return ", ".join([calls, wait, *([f"no fallback seen in {self.fails_without}"] if self.fails_without else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A fault worth trying. source: the Python expression of the fault. risk: the larger, the sooner."""

    dependency: Dependency
    fault: Fault
    source: str
    risk: float


def dependencies(
    config: Config, resources: Sequence[JsonObject], records: Sequence[Record], lately: Sequence[Hop] = ()
) -> tuple[Dependency, ...]:
    """Return what the service under test calls, the riskiest first.

    That is what harness.yaml says, and what the proxies saw in recorded runs or lately. records: of runs of the
    service, the latest last. lately: what the mesh's own metrics tell of the service's calls.
    """
    hops = [*(hop for record in records for hop in record.hops), *lately]
    names = dict.fromkeys([*config.services[config.service].calls.values(), *_called(hops, config.service)])
    counted = [*map(_steady_hops, records), tuple(lately)]
    found = [
        Dependency(
            name=name,
            calls=_calls_per_request(name, counted, config.service),
            wait_s=longest_wait_s(resources, host=name, namespace=config.namespace),
            fails_without=_without_fallback(name, records),
        )
        for name in names
    ]
    return tuple(sorted(found, key=lambda one: -one.risk))


def trials(found: Sequence[Dependency], *, target: str) -> tuple[Trial, ...]:
    """Return the faults for each dependency that the target can inject, the riskiest first."""
    made = [trial for dependency in found for trial in _of(dependency, target)]
    return tuple(sorted(made, key=lambda one: -one.risk))


def _of(dependency: Dependency, target: str) -> Iterator[Trial]:
    host = dependency.name
    slow_s = _SLOW_S if dependency.wait_s is None else dependency.wait_s * _LONGER
    slow = f"{round(slow_s * 1e3)}ms"
    weighted: list[tuple[float, Fault, str]] = [
        (1.0, abort(host, 503, percent=50), f'abort("{host}", 503, percent=50)'),
        (0.9, delay(host, slow, percent=50), f'delay("{host}", "{slow}", percent=50)'),
        (0.6, black_hole(host), f'black_hole("{host}")'),
        (0.5, latency(host, "50ms:20%, 1s:2%"), f'latency("{host}", "50ms:20%, 1s:2%")'),
        (0.3, connection_limit(host, 1), f'connection_limit("{host}", 1)'),
    ]
    if target == "local":
        weighted += [(0.7, pause(host), f'pause("{host}")'), (0.4, kill(host), f'kill("{host}")')]
    else:
        weighted += [(0.7, scale(host, 0), f'scale("{host}", 0)'), (0.4, evict(host, 1), f'evict("{host}", 1)')]
    for weight, fault, source in weighted:
        yield Trial(dependency=dependency, fault=fault, source=source, risk=dependency.risk * weight)


def _called(hops: Sequence[Hop], service: str) -> Iterator[str]:
    """Yield the services that the proxies of an arm called."""
    for hop in hops:
        name = service_name(hop.destination)
        if hop.arm and hop.calls and name not in {service, *_NO_SERVICES}:
            yield name


def _steady_hops(record: Record) -> tuple[Hop, ...]:
    steady = {phase.name for phase in record.phases if phase.kind is PhaseKind.STEADY}
    return tuple(hop for hop in record.hops if hop.phase in steady)


def _calls_per_request(name: str, counted: Sequence[Sequence[Hop]], service: str) -> float | None:
    """Return how often a request of the baseline called a service, as it was counted last. counted: the latest last."""
    for hops in reversed(counted):
        own = [hop for hop in hops if hop.arm == ARMS[BASELINE]]
        answered = sum(hop.calls for hop in own if service_name(hop.destination) == service)
        called = sum(hop.calls for hop in own if service_name(hop.destination) == name)
        if answered:
            return called / answered
    return None


def _without_fallback(name: str, records: Sequence[Record]) -> str:
    """Return the scenario of the latest run in which most failed calls to the service failed a request too."""
    for record in reversed(records):
        hits = _failed_calls(record, name)
        failed = _failed_requests(record)
        if any(hit and failed.get(phase, 0) > _FAILS * hit for phase, hit in hits.items()):
            return record.plan.scenario
    return ""


def _failed_calls(record: Record, name: str) -> Mapping[str, int]:
    hits: dict[str, int] = {}
    for count in record.fault_counts:
        if service_name(count.host) == name and count.arm == ARMS[BASELINE]:
            hits[count.phase] = hits.get(count.phase, 0) + count.hit
    return hits


def _failed_requests(record: Record) -> Mapping[str, int]:
    samples = record.samples
    bad = samples.failed & (samples.arm == BASELINE)
    return {
        phase.name: int((bad & (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)).sum())
        for phase in record.phases
        if phase.faults
    }
