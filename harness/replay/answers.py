"""Find what each dependency answered in a recorded run, from the proxies' counts of its hops and from spans.

Spans are exact, but only a share of the requests may have them. So the distribution over all operations is read from
spans where nearly every call has one, and from the histograms of the hops elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.model.declared import Declared
from harness.model.hops import Bin, Hop
from harness.model.record import Record
from harness.replay.patience import if_all_had_waited
from harness.replay.sampling import is_fine
from harness.replay.script import Answers
from harness.replay.span_answers import span_answers
from harness.runner.counts import service_name

_COVERED = 0.9
"""The share of the calls that must have spans to stand for all of them."""
_LOWEST_STATUS = 100
_UNKNOWN_ERROR = 503
_NEVER = ((200, 1),)
"""The status of answers for which nobody waited."""
_INJECTED = frozenset({"DI", "FI"})
"""The flags of faults in the caller's proxy, which tell the calls that they hit from the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The answers of one service in a record.

    fine: whether its latencies are known more precisely than by the buckets of a classic histogram. notes: what the
    record does not tell, for people.
    """

    service: str
    answers: tuple[Answers, ...]
    fine: bool
    notes: tuple[str, ...]

    @property
    def calls(self) -> int:
        """The number of recorded answers, in all phases."""
        return sum(count for one in self.overall if one.phase and one.arm for _, count in one.statuses)

    @property
    def overall(self) -> tuple[Answers, ...]:
        """The answers to all operations together."""
        return tuple(one for one in self.answers if not one.operation)


def recorded_answers(record: Record, service: str) -> Recorded | None:
    """Return what a service answered, by phase and arm and for both arms together; None if nothing was recorded.

    Calls that a fault hit in the caller's proxy say nothing about the service, so a phase in which a delay was injected
    into calls that the service answered counts as one without a record, unless nearly all of its calls have a span:
    the steady phase stands for it. The same goes for a phase with a fault that no flag tells from the service itself.
    A call that its caller gave up would have taken longer than the caller waited.
    """
    unmarked = _unmarked(record, service)
    spans = {key: one for key, one in span_answers(record, service).items() if key[0] not in unmarked}
    hops = [hop for hop in record.hops if service_name(hop.destination) == service and _answered(hop)]
    clean = [hop for hop in hops if not hop.injected]
    if not clean:
        return None
    notes = []
    told = {key: one for key, one in spans.items() if key[2] or _covered(key[0], key[1], one, hops)}
    hit = {hop.phase for hop in hops if hop.injected} - {phase for phase, arm, name in told if not (arm or name)}
    mixed = sorted(hit | ({hop.phase for hop in hops} & unmarked))
    others = [hop for hop in clean if hop.phase not in mixed]
    if mixed and others:
        where = ", ".join(mixed)
        notes.append(f"{service}: a fault hit calls that it answered in {where}: answers of other phases stand there")
        clean = others
    found = _counted(clean)
    found |= {key: _with_sizes(one, found.get(key)) for key, one in told.items()}
    fine = all(is_fine(one.latency_ms) for one in found.values())
    if not fine:
        notes.append(f"{service}: its latencies are known to the bucket only, so the stand-in is exact to the bucket")
    notes += _notes_on_calls(service, clean)
    operations = sorted({one.operation for one in found.values()} - {""})
    if operations:
        notes.append(f"{service}: answers by operation: {', '.join(operations)}")
    return Recorded(service=service, answers=tuple(found.values()), fine=fine, notes=tuple(notes))


def _unmarked(record: Record, service: str) -> set[str]:
    """Return the phases with a fault at the service that changes its answers without a response flag of its own."""
    return {
        one.phase
        for one in record.fault_counts
        if one.declared is not None and service_name(one.host) == service and not leaves_flags(one.declared)
    }


def leaves_flags(fault: Declared) -> bool:
    """Return whether a flag in the callers' proxies tells the calls that a fault hit from the others."""
    return fault.flag in _INJECTED and fault.scope.side == "caller"


def _counted(hops: Sequence[Hop]) -> dict[tuple[str, str, str], Answers]:
    """Return what the proxies counted, by phase and arm; the steady phase stands for every phase."""
    steady = [hop for hop in hops if hop.phase == "steady"] or hops
    found: dict[tuple[str, str, str], Answers] = {}
    for phase in (*_distinct(hop.phase for hop in hops), ""):
        for arm in (*_distinct(hop.arm for hop in hops), ""):
            of_phase = [hop for hop in hops if hop.phase == phase] if phase else steady
            chosen = [hop for hop in of_phase if not arm or hop.arm == arm]
            if chosen:
                found[phase, arm, ""] = _together(chosen, phase=phase, arm=arm)
    return found


def _notes_on_calls(service: str, hops: Sequence[Hop]) -> Iterator[str]:
    if any(not hop.statuses for hop in hops):
        yield f"{service}: the record has no statuses: 200 stands for success and {_UNKNOWN_ERROR} for failure"
    given_up = sum(count for hop in hops for _, _, count in hop.given_up_ms)
    if given_up:
        yield (
            f"{service}: callers gave up {given_up:,} of {sum(hop.calls for hop in hops):,} calls, so nobody knows how "
            "long these take: the stand-in takes longer than the callers waited"
        )
    cut_off = sum(count for hop in hops for status, count in hop.statuses if status < _LOWEST_STATUS)
    if cut_off and not given_up:  # recorded by an older version
        yield (
            f"{service}: callers gave up {cut_off:,} calls, and the record does not tell how long they waited: the "
            "stand-in may answer sooner than the service did"
        )


def _answered(hop: Hop) -> bool:
    """Return whether an endpoint of the service answered calls of the hop, and not only the caller's proxy."""
    return bool(hop.version) and bool(hop.latency_ms) and hop.calls > 0


def _covered(phase: str, arm: str, one: Answers, hops: Sequence[Hop]) -> bool:
    """Return whether nearly all calls of a phase and arm that no fault hit have a span."""
    of_phase = [hop for hop in hops if hop.phase == (phase or "steady")] or hops
    calls = sum(hop.calls - hop.injected for hop in of_phase if not arm or hop.arm == arm)
    return sum(count for _, count in one.statuses) >= _COVERED * calls


def _with_sizes(one: Answers, counted: Answers | None) -> Answers:
    """Return the answers with the sizes that the proxies counted, if the spans have none."""
    return one if one.size_bytes or counted is None else replace(one, size_bytes=counted.size_bytes)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names) - {""}))


def _together(hops: Sequence[Hop], *, phase: str, arm: str) -> Answers:
    statuses: Counter[int] = Counter()
    latency: Counter[Bin] = Counter()
    given_up: Counter[Bin] = Counter()
    size: Counter[Bin] = Counter()
    for hop in hops:
        known = {status: count for status, count in hop.statuses if status >= _LOWEST_STATUS}
        statuses.update(known if hop.statuses else {200: hop.calls - hop.errors, _UNKNOWN_ERROR: hop.errors})
        given_up.update({(low, width): count for low, width, count in hop.given_up_ms})
        latency.update({(low, width): count for low, width, count in hop.latency_ms})
        size.update({(low, width): count for low, width, count in hop.size_bytes})
    return Answers(
        phase=phase,
        arm=arm,
        statuses=tuple(sorted((status, count) for status, count in statuses.items() if count)) or _NEVER,
        latency_ms=if_all_had_waited(latency, given_up),
        size_bytes=_bins(size),
    )


def _bins(counts: Counter[Bin]) -> tuple[tuple[float, float, int], ...]:
    return tuple((low, width, count) for (low, width), count in sorted(counts.items()))
