"""What the proxies counted: who called whom, and how many calls the fault hit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness.mesh.port import RequestCount
from harness.model.fault import Abort, Delay, Fault
from harness.model.record import FaultCount
from harness.model.samples import ARMS, UNKNOWN_ARM, Samples

Counts = tuple[RequestCount, ...]
OTHER = "other"
_NO_VERSION = frozenset({"", "unknown", "latest"})


def service_name(host: str) -> str:
    """The short name of a service: ``ratings`` for ``ratings.shop.svc.cluster.local``."""
    return host.split(".", maxsplit=1)[0].split(":", maxsplit=1)[0]


def fault_counts(
    fault: Fault, *, phase: str, live: Counts, before_removal: Counts, end: Counts, arms: Mapping[str, str]
) -> tuple[FaultCount, ...]:
    """Calls to the fault's host while it was live, one row a caller.

    A request is counted when it ends, so a delayed one may be counted long after it came. All flagged
    requests belong to the window, whenever they ended; unflagged ones are counted over the window itself.
    ``arms`` maps a version of the service under test to its arm.
    """
    callers = sorted({(row.source_workload, row.source_version) for row in _rows(end, fault)})
    found = []
    for workload, version in callers:
        hit = _flagged(end, fault, workload, version) - _flagged(live, fault, workload, version)
        passed = _unflagged(before_removal, fault, workload, version) - _unflagged(live, fault, workload, version)
        if hit + passed:
            found.append(
                FaultCount(
                    phase=phase, fault=str(fault), host=fault.host, caller=workload, arm=arms.get(version, ""),
                    requests=hit + passed, hit=hit, dose=fault.dose,
                )
            )  # fmt: skip
    return tuple(found)


def arm_requests(start: Counts, end: Counts, *, service: str, caller: str, arms: Mapping[str, str]) -> dict[str, int]:
    """Requests from the load generator to each arm of the service, by arm.

    Aborted ones, which proxies count without a version, go under the empty name; those that other
    versions answered under ``other``.
    """
    totals = dict.fromkeys((*ARMS, "", OTHER), 0)
    for sign, rows in ((1, end), (-1, start)):
        for row in rows:
            if row.source_workload == caller and service_name(row.destination_service) == service:
                totals[_arm(row.destination_version, arms)] += sign * row.total
    return totals


def _arm(version: str, arms: Mapping[str, str]) -> str:
    return arms.get(version) or ("" if version in _NO_VERSION else OTHER)


def _rows(rows: Iterable[RequestCount], fault: Fault) -> list[RequestCount]:
    return [row for row in rows if service_name(row.destination_service) == service_name(fault.host)]


def _flag(fault: Fault) -> str:
    match fault:
        case Delay():
            return "DI"
        case Abort():
            return "FI"


def _flagged(rows: Counts, fault: Fault, workload: str, version: str) -> int:
    return sum(
        row.total
        for row in _rows(rows, fault)
        if (row.source_workload, row.source_version) == (workload, version)
        and _flag(fault) in row.response_flags.split(",")
    )


def _unflagged(rows: Counts, fault: Fault, workload: str, version: str) -> int:
    return sum(
        row.total
        for row in _rows(rows, fault)
        if (row.source_workload, row.source_version) == (workload, version)
        and _flag(fault) not in row.response_flags.split(",")
    )


def attributed(samples: Samples, proxy_requests: Mapping[str, int]) -> Samples:
    """Requests without an answer carry no mark; give them to the arm at which the proxies counted just as many more.

    Only where that is certain: one arm lacks exactly the unmarked requests, the other lacks none.
    """
    unmarked = samples.arm == UNKNOWN_ARM
    lacking = [proxy_requests.get(name, 0) - int((samples.arm == arm).sum()) for arm, name in enumerate(ARMS)]
    unknown = int(unmarked.sum())
    if unknown == 0 or sorted(lacking) != [0, unknown]:
        return samples
    return replace(samples, arm=np.where(unmarked, np.int8(lacking.index(unknown)), samples.arm))
