"""Find the hop that explains how the canary is worse than the baseline.

Both arms are compared on what they answer and on what they call: calls per request, errors per call, and latencies, by
destination and phase. A contrast counts only if it is large enough to matter and beyond chance: its probability by
chance is below ``ALPHA`` divided by the number of all contrasts (Bonferroni). Calls come in bursts and latencies depend
on each other, so the variances of independent calls are multiplied by constants; the tests of equal builds check them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.metrics.hop_sides import Flow, Side, short, sides
from harness.metrics.own_text import began_s
from harness.metrics.traced_calls import extra_calls_in_traces, self_time_in_traces
from harness.model.hops import Hop
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Record
from harness.model.units import format_duration, format_percent
from harness.stats.tails import normal_tail

ALPHA = 0.01
_BURSTS, _WAVES = 2.0, 4.0
"""How much larger the variances of counts and of latencies are than those of independent calls."""
_MORE_CALLS, _MORE_ERRORS, _SLOWER, _SLOWER_S, _OWN = 0.08, 0.01, 1.25, 0.002, 0.08
"""The smallest differences that are named: calls per request and own time as shares, errors in points, latencies."""
_CACHED = 0.8
_QUANTILES = (0.5, 0.9, 0.99)
_FEW = 20
_USUAL = 0.97
"""The share of requests whose time is compared as it is."""


class Kind(StrEnum):
    """What is different about a hop, in the order in which one explains the other."""

    FAILING_CALLS = "failing calls"
    EXTRA_CALLS = "extra calls"
    DROPPED_CACHE = "dropped cache"
    RETRIES = "retries"
    LONGER_WAITS = "longer waits"
    SLOW_CALLS = "slow calls"
    SLOW_INSTANCE = "slow instance"
    SLOWER_CODE = "slower code"
    OWN_ERRORS = "own errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A hop that explains the difference between the arms. hop: the called service, or the service under test."""

    kind: Kind
    hop: str
    phase: str
    chance: float
    size: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast:
    """A comparison, whether it is large enough to be a cause or not. z: standard normal without a difference."""

    kind: Kind
    hop: str
    phase: PhasePlan
    z: float
    size: float
    large: bool
    sentence: str


def probable_cause(record: Record) -> str:
    """Return the sentence about the cause of a run's differences; an empty text if none is beyond chance.

    Traces of the phase, if there are any, add the operation that the cause is about.
    """
    cause = cause_of(record.hops, service=record.plan.service, phases=record.plan.phases)
    return "" if cause is None else cause.sentence + _in_traces(record, cause)


def _in_traces(record: Record, cause: Cause) -> str:
    zero_ns = began_s(record) * 1e9
    windows = [
        (zero_ns + one.start_s * 1e9, zero_ns + one.end_s * 1e9) for one in record.phases if one.name == cause.phase
    ]
    spans = [one for one in record.spans if any(start <= one.start_ns < end for start, end in windows)]
    match cause.kind:
        case Kind.EXTRA_CALLS | Kind.DROPPED_CACHE | Kind.RETRIES:
            return extra_calls_in_traces(spans, cause.hop, retries=cause.kind is Kind.RETRIES)
        case Kind.SLOWER_CODE:
            return self_time_in_traces(spans)
        case _:
            return ""


def cause_of(hops: Sequence[Hop], *, service: str, phases: Sequence[PhasePlan]) -> Cause | None:
    """Return the largest contrast beyond chance of the first kind that has one, or None. Pure."""
    contrasts = [one for phase in phases if phase.kind.judged for one in _contrasts(hops, short(service), phase)]
    threshold = ALPHA / max(len(contrasts), 1)
    beyond = [one for one in contrasts if one.large and normal_tail(one.z) < threshold]
    calm = {(one.kind, one.hop) for one in beyond if one.phase.kind is PhaseKind.STEADY}
    steady = any(phase.kind is PhaseKind.STEADY for phase in phases)
    found = [_named(one, only_under_fault=steady and (one.kind, one.hop) not in calm) for one in beyond]
    return min(found, key=lambda one: (list(Kind).index(one.kind), -one.size), default=None)


def _named(one: _Contrast, *, only_under_fault: bool) -> Cause:
    """Return the contrast as a cause; what differs in a fault phase alone is a reaction to the fault."""
    under_fault = one.phase.kind is PhaseKind.FAULT and only_under_fault
    kind, added = one.kind, ""
    if under_fault and kind in {Kind.EXTRA_CALLS, Kind.DROPPED_CACHE}:
        kind, added = Kind.RETRIES, "; it retries under the fault, where the baseline does not as much"
    elif under_fault and kind is Kind.SLOW_CALLS:
        kind, added = Kind.LONGER_WAITS, "; under the fault it waits longer, as without a timeout"
    sentence = f"{one.sentence} in the {one.phase.name} phase{added}"
    chance = normal_tail(one.z)
    return Cause(kind=kind, hop=one.hop, phase=one.phase.name, chance=chance, size=one.size, sentence=sentence)


def _contrasts(hops: Sequence[Hop], service: str, phase: PhasePlan) -> Iterator[_Contrast]:
    found = sides(hops, service, phase.name)
    if found is None:
        return
    baseline, canary = found
    for name in sorted({*baseline.calls, *canary.calls}):
        before, after = baseline.calls.get(name, Flow()), canary.calls.get(name, Flow())
        yield _calls(baseline, canary, name, phase)
        yield from _attempts(baseline, canary, name, phase)
        yield _errors(found, name, phase, (before, after), Kind.FAILING_CALLS)
        yield from _latencies(canary.name, baseline.name, name, phase, (before, after))
    yield _errors(found, service, phase, (baseline.answered, canary.answered), Kind.OWN_ERRORS)
    yield _own_time(baseline, canary, service, phase)
    yield from _instances(baseline, canary, service, phase)


def _calls(baseline: Side, canary: Side, name: str, phase: PhasePlan) -> _Contrast:
    """Compare calls per request by the score test of two Poisson rates, with bursts.

    The size is the logarithm of their ratio; half a call is added so that zero has one.
    """
    before, after = baseline.calls.get(name, Flow()).calls, canary.calls.get(name, Flow()).calls
    requests = baseline.answered.calls, canary.answered.calls
    rates = before / max(requests[0], 1), after / max(requests[1], 1)
    ratio = math.log((after + 0.5) / max(requests[1], 1)) - math.log((before + 0.5) / max(requests[0], 1))
    pooled = (before + after) / max(sum(requests), 1)
    z = (rates[1] - rates[0]) / math.sqrt(_BURSTS * max(pooled, 1e-9) * sum(1 / max(of, 1) for of in requests))
    new = rates[0] < 0.01
    kind = Kind.DROPPED_CACHE if not new and rates[0] < _CACHED else Kind.EXTRA_CALLS
    does = f"{baseline.name}: {rates[0]:.2f}" if not new else f"{baseline.name} does not call it"
    why = ", as without a cache" if kind is Kind.DROPPED_CACHE else ""
    sentence = (
        f"{canary.name} calls {name} {rates[1]:.2f} times per request ({does}){why}: {after:,} against {before:,} calls"
    )
    large = ratio > math.log1p(_MORE_CALLS) and rates[1] > 0.01
    return _Contrast(kind=kind, hop=name, phase=phase, z=z, size=ratio, large=large, sentence=sentence)


def _attempts(baseline: Side, canary: Side, name: str, phase: PhasePlan) -> Iterator[_Contrast]:
    """Compare how often the proxies tried again, where they count it."""
    flows = baseline.calls.get(name, Flow()), canary.calls.get(name, Flow())
    tried = [0 if flow.attempts is None else max(flow.attempts - flow.calls, 0) for flow in flows]
    if not all(flow.attempts is not None and flow.calls for flow in flows) or not any(tried):
        return
    shares = [again / flow.calls for again, flow in zip(tried, flows, strict=True)]
    z = (shares[1] - shares[0]) / math.sqrt(
        _BURSTS * sum((again + 0.5) / flow.calls**2 for again, flow in zip(tried, flows, strict=True))
    )
    sentence = (
        f"the proxy of {canary.name} retries {format_percent(shares[1])} of the calls to {name} "
        f"({baseline.name}: {format_percent(shares[0])})"
    )
    large = shares[1] - shares[0] > _MORE_CALLS
    yield _Contrast(
        kind=Kind.RETRIES, hop=name, phase=phase, z=z, size=shares[1] - shares[0], large=large, sentence=sentence
    )


def _errors(arms: tuple[Side, Side], name: str, phase: PhasePlan, flows: tuple[Flow, Flow], kind: Kind) -> _Contrast:
    """Compare the shares of errors by the score test of two proportions; injected errors are not among them."""
    calls, errors = [flow.calls for flow in flows], [flow.errors for flow in flows]
    shares = [found / max(of, 1) for found, of in zip(errors, calls, strict=True)]
    pooled = sum(errors) / max(sum(calls), 1)
    spread = math.sqrt(_BURSTS * pooled * (1 - pooled) * sum(1 / max(of, 1) for of in calls))
    difference = shares[1] - shares[0]
    what = "answers" if kind is Kind.OWN_ERRORS else f"calls to {name}"
    sentence = (
        f"{format_percent(shares[1])} of the {what} of {arms[1].name} fail "
        f"({arms[0].name}: {format_percent(shares[0])})"
        + (", while its calls fail no more often" if kind is Kind.OWN_ERRORS else "")
    )
    large = difference > _MORE_ERRORS and min(calls) >= _FEW
    z = difference / spread if spread else 0.0
    return _Contrast(kind=kind, hop=name, phase=phase, z=z, size=difference, large=large, sentence=sentence)


def _latencies(
    canary: str, baseline: str, name: str, phase: PhasePlan, flows: tuple[Flow, Flow]
) -> Iterator[_Contrast]:
    """Compare the shares of calls above a quantile of all calls of both arms."""
    before, after = flows
    if min(before.measured, after.measured) < _FEW:
        return
    for quantile in _QUANTILES:
        z, (low, high) = _quantile_z(before, after, quantile)
        sentence = (
            f"{format_percent(1 - quantile)} of the calls of {canary} to {name} take over {format_duration(high)} "
            f"({baseline}: {format_duration(low)})"
        )
        large = high > _SLOWER * low and high - low > _SLOWER_S
        size = math.log(max(high, 1e-6) / max(low, 1e-6))
        yield _Contrast(kind=Kind.SLOW_CALLS, hop=name, phase=phase, z=z, size=size, large=large, sentence=sentence)


def _quantile_z(before: Flow, after: Flow, quantile: float) -> tuple[float, tuple[float, float]]:
    """Return the test of the shares above the mean of both quantiles, and the quantiles in seconds."""
    ends = before.quantile_s(quantile), after.quantile_s(quantile)
    place = math.sqrt(max(ends[0], 1e-6) * max(ends[1], 1e-6))
    counts, above = [before.measured, after.measured], [before.above(place), after.above(place)]
    pooled = sum(above) / sum(counts)
    spread = math.sqrt(_WAVES * pooled * (1 - pooled) * sum(1 / of for of in counts))
    difference = above[1] / counts[1] - above[0] / counts[0]
    return (difference / spread if spread else 0.0), ends


def _own_time(baseline: Side, canary: Side, service: str, phase: PhasePlan) -> _Contrast:
    """Compare the time that an arm takes besides its calls, as if it made one call after the other.

    The few longest requests count as shorter ones: where the machine stalls, they would hide any difference.
    """
    most_s = max(side.answered.quantile_s(_USUAL) for side in (baseline, canary))
    (before, error), (after, other) = (_own(side, most_s) for side in (baseline, canary))
    spread = math.sqrt(_WAVES * (error + other))
    difference = after - before
    sentence = (
        f"{canary.name} itself takes {format_duration(max(after, 0.0))} per request besides its calls "
        f"({baseline.name}: {format_duration(max(before, 0.0))})"
    )
    whole = baseline.answered.mean_s
    large = difference > max(_OWN * whole, _SLOWER_S) and min(baseline.answered.calls, canary.answered.calls) >= _FEW
    return _Contrast(
        kind=Kind.SLOWER_CODE,
        hop=service,
        phase=phase,
        z=difference / spread if spread else 0.0,
        size=difference / max(whole, 1e-6),
        large=large,
        sentence=sentence,
    )


def _own(side: Side, most_s: float) -> tuple[float, float]:
    """Return the mean time of a request without its calls, and the square of its standard error.

    most_s: what longer requests and calls count as.
    """
    requests = max(side.answered.calls, 1)
    mean, variance = side.answered.moments(most_s)
    variance /= max(side.answered.measured, 1.0)
    for flow in side.calls.values():
        rate, (of_call, spread) = flow.calls / requests, flow.moments(most_s)
        mean -= rate * of_call
        variance += rate**2 * spread / max(flow.measured, 1.0)
    return mean, variance


def _instances(baseline: Side, canary: Side, service: str, phase: PhasePlan) -> Iterator[_Contrast]:
    """Compare each instance of the canary with its other ones: one that is slow alone is no build."""
    for name, slow in canary.instances.items() if len(canary.instances) > 1 else ():
        others = [flow for other, flow in canary.instances.items() if other != name]
        rest = max(others, key=lambda flow: flow.measured)
        if min(slow.measured, rest.measured) < _FEW:
            continue
        z, (low, high) = _quantile_z(rest, slow, _QUANTILES[0])
        as_baseline = _quantile_z(baseline.answered, rest, _QUANTILES[0])[1]
        large = high > _SLOWER * low and high - low > _SLOWER_S and as_baseline[1] < _SLOWER * as_baseline[0]
        sentence = (
            f"one instance of {canary.name} is slow: the median at {name} is {format_duration(high)}, at the others "
            f"{format_duration(low)}"
        )
        size = math.log(max(high, 1e-6) / max(low, 1e-6))
        yield _Contrast(
            kind=Kind.SLOW_INSTANCE, hop=service, phase=phase, z=z, size=size, large=large, sentence=sentence
        )
