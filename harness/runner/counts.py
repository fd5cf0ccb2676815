"""Count with the proxies' counters: who called whom, and how many calls a fault hit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from harness.faults.port import Fault, Signals
from harness.model.counts import RequestCount
from harness.model.declared import Declared
from harness.model.hit import HitState
from harness.model.record import FaultCount
from harness.model.samples import ARMS, UNKNOWN_ARM, Samples

Counts = tuple[RequestCount, ...]
OTHER = "other"
_WAITING = "waiting"
_NO_VERSION = frozenset({"", "unknown", "latest"})


def service_name(host: str) -> str:
    """Return the short name of a service: ``ratings`` for ``ratings.shop.svc.cluster.local``."""
    return host.split(".", maxsplit=1)[0].split(":", maxsplit=1)[0]


def fault_counts(
    fault: Fault,
    declared: Declared,
    *,
    phase: str,
    live: Counts,
    before_removal: Counts,
    end: Counts,
    arms: Mapping[str, str],
    own_shares: Mapping[str, float] | None = None,
) -> tuple[FaultCount, ...]:
    """Return what the fault says that it hit, one row for each caller; one empty row if there was no call.

    A fault of the canary's pods hits calls by who answers them, so the rows are those of the answering arm.
    live, before_removal, end: counts when the fault was in force, just before it was removed, and after the run's last
    answer. arms: the arm of each version of the service under test. own_shares: the run's own part of the work of each
    arm (``own_shares``), if the fault hits test traffic only; calls of others cannot be hit, so they do not count.
    """
    nothing = FaultCount(
        phase=phase, fault=declared.text, host=declared.host, caller="", arm="", requests=0, hit=0, dose=declared.dose,
        declared=declared,
    )  # fmt: skip
    found: list[FaultCount] = []
    for answering in arms if declared.on_canary_pods else ("",):
        then, removed, last = (_answered_by(answering, rows) for rows in (live, before_removal, end))
        for caller in _callers(removed, last, declared):
            hit = fault.hit(_signals(caller, then, then, declared), _signals(caller, removed, last, declared))
            arm = arms.get(answering or caller[1], "")
            share = 1.0 if own_shares is None else own_shares.get(arm, 1.0)
            if hit.requests or hit.state is HitState.UNMEASURED:
                requests = max(hit.hit, round(hit.requests * share))
                found.append(
                    replace(
                        nothing, caller=caller[0], arm=arm, requests=requests, hit=hit.hit, test_share=share,
                        state=hit.state, why=hit.why,
                    )
                )  # fmt: skip
    return tuple(found) or (nothing,)


def _answered_by(version: str, rows: Counts) -> Counts:
    """Return the rows of the requests that a version of the called service answered; all for an empty name."""
    return tuple(row for row in rows if not version or row.destination_version == version)


def own_shares(
    sent: Mapping[str, int], live: Counts, before_removal: Counts, *, service: str, arms: Mapping[str, str]
) -> dict[str, float]:
    """Return which part of each arm's requests between two counts were the run's own; the empty name is the total.

    sent: the run's own requests, by arm. The same part of the calls that an arm made is attributed to the run.
    """
    arrived = dict.fromkeys(ARMS, 0)
    total = 0
    for sign, rows in ((1, before_removal), (-1, live)):
        for row in rows:
            if row.reporter == "source" and service_name(row.destination_service) == service:
                total += sign * row.total
                arm = arms.get(row.destination_version)
                if arm is not None:
                    arrived[arm] += sign * row.total
    shares = {arm: _part(sent.get(arm, 0), arrived[arm]) for arm in ARMS}
    return {**shares, "": _part(sum(sent.values()), total)}


def _part(own: int, arrived: int) -> float:
    """Return the part; a difference that the edges of the window explain counts as all."""
    return 1.0 if own + max(2.0, 0.01 * arrived) >= arrived else own / arrived


def not_lost(earlier: Counts, later: Counts) -> Counts:
    """Return the later counts, with those of the earlier ones that a proxy has forgotten since.

    A proxy counts from zero when it gets a cluster again, for example because the split was reverted meanwhile.
    """
    found = {_identity(row): row for row in later}
    for row in earlier:
        known = found.get(_identity(row))
        if row.reporter != _WAITING and (known is None or known.total < row.total):
            found[_identity(row)] = row
    return tuple(found.values())


def _identity(row: RequestCount) -> RequestCount:
    return replace(row, total=0, attempts=0)


def arm_requests(start: Counts, end: Counts, *, service: str, caller: str, arms: Mapping[str, str]) -> dict[str, int]:
    """Return the requests from the load generator to each arm of the service, by arm.

    Proxies count aborted requests without a version; they have the empty name. Requests that other versions answered
    are counted as ``other``.
    """
    totals = dict.fromkeys((*ARMS, "", OTHER), 0)
    for sign, rows in ((1, end), (-1, start)):
        for row in rows:
            ours = row.reporter == "source" and row.source_workload == caller
            if ours and service_name(row.destination_service) == service:
                totals[_arm(row.destination_version, arms)] += sign * row.total
    return totals


def endpoint_requests(
    start: Counts, end: Counts, *, service: str, arms: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """Return the requests that reached the endpoints of each arm between two counts, by arm and address.

    Only endpoints that are there at the end count: a count that was lost with its endpoint cannot be told.
    """
    totals: dict[str, dict[str, int]] = {}
    first = {_endpoint(row): row.total for row in start if row.reporter == "endpoint"}
    for row in end:
        arm = arms.get(row.destination_version)
        if row.reporter == "endpoint" and arm and service_name(row.destination_service) == service:
            own = totals.setdefault(arm, {})
            own[row.address] = own.get(row.address, 0) + max(0, row.total - first.get(_endpoint(row), 0))
    return totals


def _endpoint(row: RequestCount) -> tuple[str, str, str]:
    return row.destination_service, row.destination_version, row.address


def _arm(version: str, arms: Mapping[str, str]) -> str:
    return arms.get(version) or ("" if version in _NO_VERSION else OTHER)


def _callers(before_removal: Counts, end: Counts, fault: Declared) -> list[tuple[str, str]]:
    """Return the workload and the version of each caller of the fault's host, also if all its calls still wait."""
    waiting = (row for row in _rows(before_removal, fault, reporter=_WAITING) if row.total)
    return sorted({(row.source_workload, row.source_version) for row in (*_rows(end, fault), *waiting)})


def _signals(caller: tuple[str, str], rows: Counts, settled: Counts, fault: Declared) -> Signals:
    named = (_WAITING, "limited", "cut off")
    waiting, limited, cut_off = (_of(caller, rows, fault, reporter=reporter) for reporter in named)
    return Signals(
        rows=_of(caller, rows, fault),
        settled=_of(caller, settled, fault),
        waiting=sum(row.total for row in waiting),
        limited=sum(row.total for row in limited) if limited else None,
        cut_off=sum(row.total for row in cut_off) if cut_off else None,
    )


def _rows(rows: Iterable[RequestCount], fault: Declared, *, reporter: str = "") -> list[RequestCount]:
    """Return the calls to the fault's host, as counted by the proxies that carry the fault out."""
    reporter = reporter or ("destination" if fault.scope.side == "host" else "source")
    return [
        row
        for row in rows
        if row.reporter == reporter and service_name(row.destination_service) == service_name(fault.host)
    ]


def _of(caller: tuple[str, str], rows: Counts, fault: Declared, *, reporter: str = "") -> Counts:
    found = _rows(rows, fault, reporter=reporter)
    return tuple(row for row in found if (row.source_workload, row.source_version) == caller)


def attributed(samples: Samples, proxy_requests: Mapping[str, int]) -> Samples:
    """Attribute requests without an answer to the arm at which the proxies counted as many more.

    This is done only if it is certain: one arm lacks exactly the unmarked requests, and the other lacks none.
    """
    unmarked = samples.arm == UNKNOWN_ARM
    lacking = [proxy_requests.get(name, 0) - int((samples.arm == arm).sum()) for arm, name in enumerate(ARMS)]
    unknown = int(unmarked.sum())
    if unknown == 0 or sorted(lacking) != [0, unknown]:
        return samples
    return replace(samples, arm=np.where(unmarked, np.int8(lacking.index(unknown)), samples.arm))
