"""Prove that client and proxies timed the same answers: a difference is explained by name, or proves nothing.

Medians and 90 % quantiles of each arm are compared in each judged phase. Requests in flight at the ends of a phase are
counted in another one by the proxies, and a quantile jumps where only some requests are slow. So each quantile is a
range from a few percent of the requests below it to a few above, and only a gap between both ranges is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.mesh.targets import has_real_users
from harness.metrics.hop_sides import short
from harness.model.hops import Hop
from harness.model.phase import Phase
from harness.model.record import Record
from harness.model.samples import ARMS
from harness.model.split import SplitBy
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Proof
from harness.runner.counts import service_name

Floats = NDArray[np.float64]
LOAD = "loadgenerator"
ENOUGH = 100
"""So many answers of an arm in a phase have a 90 % quantile that can be compared."""
SLACK_S, SLACK = 0.020, 0.25
"""How much client and proxies may differ: connections, the network and this machine take their time too."""
_QUANTILES = (0.5, 0.9)
_MARGIN, _MOST_MARGIN, _HIGHEST = 0.05, 0.3, 0.999
_LAG_S = 5.0
"""Sidecars show their histograms as of their last flush; the local mesh makes Envoy flush them first."""
_MORE_CALLS = 1.02


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """Hold how far apart a quantile of the client and of the proxies are, in seconds.

    gap_s: positive if the client's is the larger one. bound_s: a gap that needs no explanation.
    """

    arm: str
    phase: Phase
    quantile: float
    client_s: float
    mesh_s: float
    gap_s: float
    bound_s: float

    @property
    def large(self) -> bool:
        return abs(self.gap_s) > self.bound_s

    def __str__(self) -> str:
        return (
            f"{format_percent(self.quantile)} quantile of the {self.arm} in the {self.phase.name} phase: client "
            f"{format_duration(self.client_s)}, proxies {format_duration(self.mesh_s)}"
        )


def timed_alike(record: Record) -> Iterator[Proof]:
    """Yield at most one proof; none without latencies of both, or where the proxies time requests of others too."""
    if record.plan.split_by is SplitBy.MIRROR:
        return
    gaps = [gap for phase in record.phases if phase.kind.judged for gap in _gaps(record, phase)]
    if not gaps:
        return
    explained: dict[str, None] = {}
    unexplained: list[_Gap] = []
    for gap in (one for one in gaps if one.large):
        why = _why(record, gap, gaps)
        if why:
            explained[why] = None
        else:
            unexplained.append(gap)
    worst = max(unexplained, key=lambda gap: abs(gap.gap_s), default=None)
    seen = str(worst) if worst is not None else str(max(gaps, key=lambda gap: abs(gap.gap_s)))
    yield Proof(
        name="timed alike",
        held=worst is None,
        expected=f"latencies as the proxies timed them, within {format_duration(SLACK_S)} and {format_percent(SLACK)}, "
        "or a reason for the difference",
        observed=seen + "".join(f"; explained by {why}" for why in explained),
        remedy="something between the load generator and the proxies delays one arm only: look at the way to it"
        if worst is not None
        else "",
    )


def _gaps(record: Record, phase: Phase) -> Iterator[_Gap]:
    due = record.samples.due_s
    inside = (due >= phase.start_s) & (due < phase.end_s) & (record.samples.status > 0)
    for number, arm in enumerate(ARMS):
        own = record.samples.where(inside & (record.samples.arm == number))
        hops = _hops(record, phase, arm)
        if min(len(own), sum(count for hop in hops for _, _, count in hop.latency_ms)) < ENOUGH:
            continue
        latencies = own.latency_s - own.late_s
        edges_s = float(np.quantile(latencies, 0.99)) + (_LAG_S if has_real_users(record.plan.target) else 0.0)
        margin = _MARGIN + edges_s / max(phase.end_s - phase.start_s, 1e-3)
        if margin <= _MOST_MARGIN:
            yield from (_gap(arm, phase, one, margin=margin, latencies=latencies, hops=hops) for one in _QUANTILES)


def _gap(arm: str, phase: Phase, quantile: float, *, margin: float, latencies: Floats, hops: Sequence[Hop]) -> _Gap:
    below, above = quantile - margin, min(quantile + margin, _HIGHEST)
    client_low, client_s, client_high = np.quantile(latencies, [below, quantile, above]).tolist()
    mesh_low, mesh_high = _bin(hops, below)[0], _bin(hops, above)[1]
    mesh_s = min(max(client_s, mesh_low), mesh_high)
    return _Gap(
        arm=arm,
        phase=phase,
        quantile=quantile,
        client_s=client_s,
        mesh_s=mesh_s,
        gap_s=max(client_low - mesh_high, 0.0) + min(client_high - mesh_low, 0.0),
        bound_s=SLACK_S + SLACK * max(client_s, mesh_s),
    )


def _hops(record: Record, phase: Phase, arm: str) -> list[Hop]:
    """Return the requests of the load generator that an arm answered in a phase."""
    service = service_name(record.plan.service)
    return [
        hop
        for hop in record.hops
        if (hop.phase, hop.arm, hop.caller) == (phase.name, arm, LOAD) and short(hop.destination) == service
    ]


def _bin(hops: Sequence[Hop], quantile: float) -> tuple[float, float]:
    """Return the ends in seconds of the bin that has a quantile of the proxies' latencies."""
    bins = sorted((low, low + width, count) for hop in hops for low, width, count in hop.latency_ms)
    below = np.cumsum([count for _, _, count in bins])
    low, high, _ = bins[min(int(np.searchsorted(below, quantile * below[-1])), len(bins) - 1)]
    return low / 1000, high / 1000


def _why(record: Record, gap: _Gap, gaps: Sequence[_Gap]) -> str:
    """Return what explains a gap, or an empty text."""
    service = service_name(record.plan.service)
    before = sorted(
        {
            count.fault
            for count in record.fault_counts
            if count.phase == gap.phase.name and count.declared is not None and service_name(count.host) == service
        }
    )
    if before:
        return f"a fault before the router ({', '.join(before)})"
    hops = _hops(record, gap.phase, gap.arm)
    calls = sum(hop.calls for hop in hops)
    attempts = sum(hop.calls if hop.attempts is None else hop.attempts for hop in hops)
    sent = _sent(record, gap)
    if attempts > _MORE_CALLS * calls:
        return f"retries of the proxies: {attempts:,} attempts for {calls:,} requests"
    if calls > _MORE_CALLS * sent + 2:
        return f"other callers or retries: the proxies timed {calls:,} requests, {sent:,} were sent"
    other = next((one for one in gaps if _same(one, gap)), None)
    if gap.gap_s > 0 and other is not None and abs(other.gap_s - gap.gap_s) <= gap.bound_s:
        return "the way to the proxies, connections included, which takes both arms as long"
    return ""


def _same(one: _Gap, gap: _Gap) -> bool:
    return one.arm != gap.arm and (one.phase, one.quantile) == (gap.phase, gap.quantile)


def _sent(record: Record, gap: _Gap) -> int:
    samples = record.samples
    inside = (samples.due_s >= gap.phase.start_s) & (samples.due_s < gap.phase.end_s)
    return int((inside & (samples.arm == ARMS.index(gap.arm))).sum())
