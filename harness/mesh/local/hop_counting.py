"""Read what each workload calls from Envoy's statistics, with histograms that are finer than Prometheus's buckets.

Envoy writes a statistic's tags into its name, one after the other. The tags and their order are ours
(``harness.mesh.local.telemetry``), so the name can be taken apart. A process is an instance of its version: several
workloads may have the same version label.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from harness.mesh.local.telemetry import ATTEMPTS, DURATION, REQUESTS_TOTAL, SCOPE, SIZE, TAGS, UNKNOWN
from harness.model.hops import GIVEN_UP, Bin, HopTotal, call_failed
from harness.routing.port import Destination

PATTERN = f"^{SCOPE}\\."
_NAME = re.compile(rf"{SCOPE}\.(?P<metric>\w+)" + "".join(rf"\.{tag}\.(?P<{tag}>.*?)" for tag in TAGS) + "$", re.DOTALL)
_MERGED, _FEW = 0.5, 5
"""The least share of the calls that merged histograms have, and how many calls may be missing anyway."""

_LEAST_MS = 1.0
"""The least width of a bin of durations: Envoy counts whole milliseconds, without what is left over."""


class _Bucket(TypedDict):
    lower_bound: float
    width: float
    count: int


@dataclass(slots=True)
class _Sums:
    calls: int = 0
    errors: int = 0
    injected: int = 0
    attempts: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    given_up: Counter[Bin] = field(default_factory=Counter)
    bins: dict[str, Counter[Bin]] = field(default_factory=lambda: {DURATION: Counter(), SIZE: Counter()})
    instances: dict[str, Counter[Bin]] = field(default_factory=dict)


def hop_totals(text: str, destinations: Sequence[Destination] = ()) -> tuple[HopTotal, ...]:
    """Return the totals of every hop. text: the answer to ``/stats?format=json&histogram_buckets=detailed``.

    destinations: where requests are sent for another service, for which they count.
    """
    hosts = {one.name: one.host for one in destinations}
    sums: dict[tuple[str, ...], _Sums] = {}
    for name, value, buckets in _statistics(text):
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        caller = tuple(found[tag] for tag in ("source_workload", "source_version", "source_app"))
        called = found["destination_service"]
        key = (*caller, hosts.get(called, called), found["destination_version"])
        own = sums.setdefault(key, _Sums())
        if found["metric"] == REQUESTS_TOTAL:
            injected = "FI" in found["response_flags"]
            own.calls += value
            own.injected += value if injected or "DI" in found["response_flags"] else 0
            own.errors += (
                value if not injected and call_failed(found["response_code"], found["grpc_response_status"]) else 0
            )
            if value and found["response_code"].isdecimal():
                own.statuses[int(found["response_code"])] += value
        elif found["metric"] == ATTEMPTS:
            own.attempts += value
        elif found["metric"] in own.bins:
            _add_bins(own, found, buckets)
    return tuple(_total(key, own) for key, own in sorted(sums.items()))


def _add_bins(own: _Sums, found: re.Match[str], buckets: Iterable[_Bucket]) -> None:
    timed, given_up = found["metric"] == DURATION, found["response_code"] == GIVEN_UP
    if given_up and not timed:
        return  # what did not come has no size
    workload = found["destination_workload"]
    instance = own.instances.setdefault(workload, Counter()) if workload != UNKNOWN else Counter[Bin]()
    for bucket in buckets:
        low, width, count = float(bucket["lower_bound"]), float(bucket["width"]), int(bucket["count"])
        place = low, max(width, _LEAST_MS) if timed else width
        own.bins[found["metric"]][place] += count
        if timed:
            instance[place] += count
        if given_up:
            own.given_up[place] += count


def merged(totals: Iterable[HopTotal]) -> bool:
    """Return whether the histograms have about as many calls as the counters; Envoy merges those of its threads later.

    Calls that are just being counted, and those that ended without a duration, may be missing.
    """
    return all(sum(one.latency_ms.values()) >= _MERGED * one.calls - _FEW for one in totals)


def _total(key: tuple[str, ...], own: _Sums) -> HopTotal:
    caller, caller_version, app, destination, version = key
    return HopTotal(
        caller=caller,
        caller_version=caller_version,
        app=app,
        destination=destination,
        version="" if version == "unknown" else version,
        calls=own.calls,
        errors=own.errors,
        injected=own.injected,
        attempts=own.attempts,
        latency_ms=dict(own.bins[DURATION]),
        given_up_ms=dict(own.given_up),
        size_bytes=dict(own.bins[SIZE]),
        statuses=dict(own.statuses),
        instances={name: dict(bins) for name, bins in own.instances.items()} if len(own.instances) > 1 else {},
    )


def _statistics(text: str) -> Iterable[tuple[str, int, list[_Bucket]]]:
    """Yield the name, the value and the buckets of every statistic."""
    for item in json.loads(text)["stats"]:
        if "histograms" in item:
            for one in item["histograms"]["details"]:
                yield one["name"], 0, one["totals"]
        elif isinstance(item.get("value"), int):
            yield item["name"], item["value"], []
