"""Tell what a service calls, and what is at stake when one of these services is in trouble.

The risk of a dependency is how often a request calls it, doubled if nothing limits how long a call may wait, and
doubled again if a recorded run showed that requests fail while it fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.config import Config
from harness.model.hops import Hop
from harness.model.json import JsonObject
from harness.model.phase import PhaseKind
from harness.model.protocol import Protocol
from harness.model.record import Record
from harness.model.samples import ARMS, BASELINE
from harness.model.units import format_duration
from harness.routing.istio.timeouts import longest_wait_s
from harness.runner.counts import service_name

_NO_SERVICES = ("", "unknown", "PassthroughCluster", "BlackHoleCluster", "InboundPassthroughCluster")
"""What Istio's metrics call destinations that are no service of the mesh."""
_FAILS = 0.5
"""Requests are not saved by a fallback if more than this share of the failed calls fails a request."""
_Bins = Sequence[tuple[float, float, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A service that the service under test calls.

    calls: per request, as they were counted last; None if they were not. wait_s: how long routes let a call wait;
    None without a limit. fails_without: the scenario of a run in which requests failed with it; empty if none did.
    grpc: whether it is called by gRPC. median_s, answer_bytes: how long half of the calls took, and the mean size of
    an answer's body, as they were counted last; None if they were not.
    """

    name: str
    calls: float | None = None
    wait_s: float | None = None
    fails_without: str = ""
    grpc: bool = False
    median_s: float | None = None
    answer_bytes: float | None = None

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


def dependencies(
    config: Config, resources: Sequence[JsonObject], records: Sequence[Record], lately: Sequence[Hop] = ()
) -> tuple[Dependency, ...]:
    """Return what the service under test calls, the riskiest first.

    That is what harness.yaml says, and what the proxies saw in recorded runs or lately. records: of runs of the
    service, the latest last. lately: what the mesh's own metrics tell of the service's calls. Hosts outside of the mesh
    are left out.
    """
    hops = [*(hop for record in records for hop in record.hops), *lately]
    own = config.services[config.service]
    elsewhere = {host for service in config.services.values() for host in service.external.values()}
    names = dict.fromkeys([*own.calls.values(), *_called(hops, config.service, elsewhere)])
    counted = [*map(_steady_hops, records), tuple(lately)]
    found = [_dependency(name, config, resources, records, counted) for name in names]
    return tuple(sorted(found, key=lambda one: -one.risk))


def _dependency(
    name: str,
    config: Config,
    resources: Sequence[JsonObject],
    records: Sequence[Record],
    counted: Sequence[Sequence[Hop]],
) -> Dependency:
    known = config.services.get(name)
    last = next((found for hops in reversed(counted) if (found := _calls_to(name, hops))), [])
    return Dependency(
        name=name,
        calls=_calls_per_request(name, counted, config.service),
        wait_s=longest_wait_s(resources, host=name, namespace=config.namespace),
        fails_without=_without_fallback(name, records),
        grpc=known is not None and known.protocol is Protocol.GRPC,
        median_s=_median_s([each for hop in last for each in hop.latency_ms]),
        answer_bytes=_mean([each for hop in last for each in hop.size_bytes]),
    )


def _called(hops: Sequence[Hop], service: str, elsewhere: Collection[str]) -> Iterator[str]:
    """Yield the services that the proxies of an arm called, apart from the hosts ``elsewhere``."""
    for hop in hops:
        if hop.destination.partition(":")[0] in elsewhere:
            continue
        name = service_name(hop.destination)
        if hop.arm and hop.calls and name not in {service, *_NO_SERVICES}:
            yield name


def _steady_hops(record: Record) -> tuple[Hop, ...]:
    steady = {phase.name for phase in record.phases if phase.kind is PhaseKind.STEADY}
    return tuple(hop for hop in record.hops if hop.phase in steady)


def _calls_to(name: str, hops: Sequence[Hop]) -> list[Hop]:
    """Return the hops of the baseline to a service."""
    return [hop for hop in hops if hop.arm == ARMS[BASELINE] and service_name(hop.destination) == name]


def _calls_per_request(name: str, counted: Sequence[Sequence[Hop]], service: str) -> float | None:
    """Return how often a request of the baseline called a service, as it was counted last. counted: the latest last."""
    for hops in reversed(counted):
        answered = sum(hop.calls for hop in _calls_to(service, hops))
        if answered:
            return sum(hop.calls for hop in _calls_to(name, hops)) / answered
    return None


def _median_s(bins: _Bins) -> float | None:
    """Return the middle of the bin in which half of the calls had been answered; None without any."""
    seen, half = 0, sum(count for *_, count in bins) / 2
    for low, width, count in sorted(bins):
        seen += count
        if count and seen >= half:
            return (low + width / 2) / 1e3
    return None


def _mean(bins: _Bins) -> float | None:
    total = sum(count for *_, count in bins)
    return sum((low + width / 2) * count for low, width, count in bins) / total if total else None


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
