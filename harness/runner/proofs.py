"""Proofs: check that what a verdict relies on really happened. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.mesh.targets import has_real_users
from harness.model.hit import HitState
from harness.model.json import JsonObject, JsonValue
from harness.model.phase import PhaseKind
from harness.model.record import Event, FaultCount, Record
from harness.model.run_kind import is_control
from harness.model.samples import ARMS, CANARY, UNKNOWN_ARM
from harness.model.split import SplitBy
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Proof
from harness.routing.edits import key
from harness.runner.arm_identity import arms_differ
from harness.runner.counts import OTHER
from harness.runner.latencies_alike import timed_alike
from harness.runner.live_proofs import complete_answers
from harness.runner.stall_detector import BLIND
from harness.stats.binomial import share_interval

_CONFIDENCE = 0.9999
"""Of each proof's interval: a true run fails one of its few proofs in less than one of a thousand runs."""
_SLACK = 0.02
"""A share may be off by this part of itself: proxies draw in steps, and windows have edges."""
_UNKNOWN_SHARE = 0.001
SHARED = "shared"
"""The kind of event that says what is wrong with a run that several faults shared."""
_BLIND_S = 5.0
"""The window of the error ceiling: a harness that was blind for longer would not have ended a run that had to end."""


def proofs(record: Record) -> tuple[Proof, ...]:
    """Return every proof of a run, except those of the load generator."""
    return (
        *_split(record),
        *arms_differ(record),
        *_faults(record),
        *_undisturbed(record),
        *_watched(record),
        *_nothing_carried_over(record),
        *_counted_alike(record),
        *timed_alike(record),
        *_server_side(record),
        *complete_answers(record),
        *_rollback(record),
    )


def shared_proofs(record: Record, *, until_s: float) -> tuple[Proof, ...]:
    """Return the proofs that concern all faults of a run that several shared; each fault has the others of its own.

    until_s: when an arm died, or infinity. Its endpoints got no requests afterwards.
    """
    alive = replace(record, samples=record.samples.where(record.samples.due_s < until_s))
    return (
        *arms_differ(alive),
        *_undisturbed(record),
        *_watched(record),
        *_counted_alike(record),
        *_server_side(record),
        *complete_answers(record),
        *_rollback(record),
    )


def _split(record: Record) -> Iterator[Proof]:
    judged = _judged(record)
    arm, silent = record.samples.arm[judged], record.samples.status[judged] == 0
    planned = record.plan.canary_share
    canary, known, total = int((arm == CANARY).sum()), int((arm != UNKNOWN_ARM).sum()), int(arm.size)
    unknown = total - known
    yield Proof(
        name="arms known",
        held=total > 0 and unknown <= _UNKNOWN_SHARE * total,
        expected=f"at most {format_percent(_UNKNOWN_SHARE)} of the answers without the mark of an arm",
        observed=f"{unknown} of {total}" + (f", {int(silent.sum())} of them no answer at all" if silent.any() else ""),
        remedy=_unknown_remedy(total, int(silent.sum())),
    )
    if record.plan.split_by is SplitBy.MIRROR:
        yield Proof(
            name="split",
            held=known > 0 and canary == 0,
            expected="every answer by the baseline, as the canary gets copies",
            observed=f"{canary} of {known} by the canary",
            remedy="look at the VirtualService during the run: another route may take the traffic",
        )
        return
    yield Proof(
        name="split",
        held=_share_holds(canary, known, planned),
        expected=f"{format_percent(planned)} of the requests to the canary",
        observed=_share_text(canary, known),
        remedy="look at the VirtualService during the run: another route may take the traffic",
    )


def _unknown_remedy(total: int, silent: int) -> str:
    if not total:
        return "no request was sent in a judged phase; look at the load generator's log"
    return "the service, its proxies or this machine could not keep up: lower the rate" if silent else ""


def _faults(record: Record) -> Iterator[Proof]:
    """Yield the dose of each fault of the plan in each arm.

    Faults are identified by their ids, never by their texts.
    """
    planned = [phase.faults for phase in record.plan.phases if phase.kind is PhaseKind.FAULT]
    for text in sorted({text for texts in planned for text in texts}):
        counts = [count for count in record.fault_counts if count.fault == text]
        ids = sorted({count.fault_id for count in counts}) or [text]
        for fault_id in ids:
            name = text if len(ids) == 1 else f"{text} ({fault_id})"
            yield from _doses(name, [count for count in counts if count.fault_id == fault_id])
        if any(count.declared for count in counts):
            for _ in range(max(texts.count(text) for texts in planned) - len(ids)):
                yield _dose(f"{text} (not injected)", [], "")


def _doses(name: str, counts: list[FaultCount]) -> Iterator[Proof]:
    counted = [count for count in counts if not _empty(count)]
    unknown = sorted({count.why for count in counted if count.state is HitState.UNMEASURED})
    if unknown:
        yield _unmeasured(name, "; ".join(unknown))
        return
    if any(is_control(count) for count in counts):
        yield from _control(name, counted)
        return
    if any(count.dose is None for count in counts):
        yield _condition(name, counted)
        return
    arms = {count.arm for count in counts if count.arm} or {""}
    for arm in sorted(arms):
        yield _dose(name, [count for count in counted if count.arm == arm], arm)
    if arms in ({"baseline"}, {"canary"}):
        yield _dose(name, [], "canary" if arms == {"baseline"} else "baseline")


def _control(name: str, counts: list[FaultCount]) -> Iterator[Proof]:
    """Prove that a positive control hit the canary and nothing else."""
    theirs = [count for count in counts if count.arm == "canary"]
    condition = any(count.dose is None for count in counts)
    yield _condition(name, theirs, arms=("canary",)) if condition else _dose(name, theirs, "canary")
    others = [count for count in counts if count.arm != "canary"]
    hit, requests = sum(count.hit for count in others), sum(count.requests for count in others)
    yield Proof(
        name=f"{name} spares the baseline",
        held=hit == 0 and requests > 0,
        expected="no call of others than the canary hit",
        observed=f"{hit} of {requests}",
        remedy="do both arms carry labels that tell them apart, and do both call the fault's host on this load?",
    )


def _unmeasured(name: str, why: str) -> Proof:
    return Proof(
        name=f"hit of {name}",
        held=False,
        expected="a count of the calls that it hit",
        observed=f"{HitState.UNMEASURED}: {why}",
        remedy="choose a fault whose hits can be counted here; without a count nobody knows what the canary withstood",
    )


def _condition(name: str, counts: list[FaultCount], arms: Sequence[str] = ARMS) -> Proof:
    """Prove a condition, which has no dose: some call must have met it. The judge compares how many in each arm.

    What the mesh itself saw, such as a pod that is gone, needs calls in that time, but none that noticed it.
    """
    hit, requests = sum(count.hit for count in counts), sum(count.requests for count in counts)
    seen = any(count.state is HitState.SEEN for count in counts)
    why = "; ".join(sorted({count.why for count in counts if count.why}))
    silent = set(arms) - {count.arm for count in counts} if any(count.arm for count in counts) else set()
    without = f"{HitState.SEEN if seen else HitState.NO_OCCASION}: {why} ({requests} calls)"
    observed = f"{hit} of {requests}" if hit or not requests else without
    return Proof(
        name=f"hit of {name}",
        held=(hit > 0 or (seen and requests > 0)) and not silent,
        expected="calls of both arms while it was done" if seen else "calls that it hit, and calls of both arms",
        observed=observed + "".join(f"; no call of the {arm}" for arm in sorted(silent)),
        remedy="a condition that no call meets proves nothing: choose one that this load meets"
        if requests
        else "no call to the fault's host was counted while it was live: does the service call it on this load?",
    )


def _empty(count: FaultCount) -> bool:
    """Return whether the row only says that the fault was in force and no call was counted."""
    return count.declared is not None and not count.caller


def _dose(fault: str, counts: list[FaultCount], arm: str) -> Proof:
    hit, requests = sum(count.hit for count in counts), sum(count.requests for count in counts)
    dose = counts[0].dose if counts else 0.0
    shares = sorted({format_percent(count.test_share) for count in counts if count.test_share < 1})
    estimated = (
        f"; of the calls counted {' and '.join(shares)} are taken for the run's own, as of the requests"
        if shares
        else ""
    )
    return Proof(
        name=f"dose of {fault}" + (f", {arm}" if arm else ""),
        held=requests > 0 and dose is not None and _share_holds(hit, requests, dose),
        expected=f"{format_percent(dose or 0.0)} of the calls hit" if counts else "calls that the fault can hit",
        observed=_share_text(hit, requests) + estimated,
        remedy=""
        if requests
        else "no call to the fault's host was counted while it was live: does the service call it on this load?",
    )


def _undisturbed(record: Record) -> Iterator[Proof]:
    """Fail only if somebody else changed the routes: later measurements belong to an unknown route."""
    for event in record.events:
        if event.kind == "drift":
            yield Proof(
                name="undisturbed",
                held=False,
                expected="nobody else to change the routes during the run",
                observed=event.text,
                remedy="end or pause the other writer, or name it in cluster.owners when it leaves our edits alone",
            )


def _watched(record: Record) -> Iterator[Proof]:
    """Fail only if the run stalled: no abort condition was checked then, and no phase could end on time."""
    blind = [event for event in record.events if event.kind == BLIND]
    longest = max(blind, key=_stall_s, default=None)
    if longest is not None and _stall_s(longest) > _BLIND_S:
        yield Proof(
            name="watched",
            held=False,
            expected=f"a look after the run every second, none more than {format_duration(_BLIND_S)} late",
            observed=f"{longest.text} (before {format_duration(longest.at_s)} of the run)",
            remedy="run again without stopping the harness or letting the machine sleep, or give it more CPU",
        )


def _nothing_carried_over(record: Record) -> Iterator[Proof]:
    """Fail only if a run that several faults shared was not in order, or the fault before this one still showed."""
    texts = [event.text for event in record.events if event.kind == SHARED]
    if texts:
        yield Proof(
            name="nothing carried over",
            held=False,
            expected="a shared run in order, and a recovery within tolerance before this fault",
            observed="; ".join(texts),
            remedy="run this fault alone, or with a longer recovery phase",
        )


def seconds_of(event: Event, field: str) -> float:
    """Return a field of an event that has seconds; 0 if it has none."""
    seconds = event.fields.get(field)
    return float(seconds) if isinstance(seconds, (int, float)) else 0.0


def _stall_s(event: Event) -> float:
    return seconds_of(event, "seconds")


def _counted_alike(record: Record) -> Iterator[Proof]:
    """Check that each sample was a request that the proxies saw, and the other way round."""
    if not record.proxy_requests:
        return
    proxies, total = record.proxy_requests, sum(record.proxy_requests.values())
    samples = {name: int((record.samples.arm == arm).sum()) for arm, name in enumerate(ARMS)}
    slack = max(2.0, 0.001 * total)
    aborted, unmarked = proxies.get("", 0), len(record.samples) - sum(samples.values())
    # A request that is never answered has no mark, and the proxies may not have counted it yet.
    waiting = int(((record.samples.arm == UNKNOWN_ARM) & (record.samples.status == 0)).sum())
    alike = all(-waiting - slack <= count - proxies.get(name, 0) <= aborted + slack for name, count in samples.items())
    uncounted = len(record.samples) - total
    alike = alike and -slack <= uncounted <= waiting + slack and proxies.get(OTHER, 0) <= slack
    beside_users = _touches_tests_only(record)
    if beside_users:  # whose requests the proxies count as well
        alike = all(count - proxies.get(name, 0) <= aborted + slack for name, count in samples.items())
    yield Proof(
        name="counted alike",
        held=alike and (not beside_users or uncounted <= slack),
        expected=f"{'no more than' if beside_users else 'as'} the proxies counted: {_by_arm(proxies)}",
        observed=f"samples: {_by_arm({**samples, '': unmarked})}",
        remedy="the route was changed meanwhile, requests were lost between the load generator and the proxies, "
        "or others sent load to the same entry",
    )


def _touches_tests_only(record: Record) -> bool:
    """Return whether the run left the requests of real users alone, which the proxies count as well."""
    cluster = record.config.get("cluster")
    asked = isinstance(cluster, dict) and bool(cluster.get("only_test_traffic"))
    return asked and has_real_users(record.plan.target)


def _server_side(record: Record) -> Iterator[Proof]:
    """Check that a Prometheus in the configuration has series of both arms."""
    url = record.config.get("prometheus")
    if not url:
        return
    found = sorted({series.arm for series in record.series if np.isfinite(series.values).any()})
    yield Proof(
        name="server-side series",
        held=found == sorted(ARMS),
        expected=f"series of both arms from {url}",
        observed=" and ".join(found) or "none",
        remedy="see the timeline for its error; does it scrape the proxies of both arms at least every second?",
    )


def _rollback(record: Record) -> Iterator[Proof]:
    unverified = [rollback for rollback in record.rollbacks if not rollback.verified]
    before, after = (_by_identity(record.resources.get(stage, ())) for stage in ("before", "after"))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    left = [*(f"{item.change}: {item.detail}" for item in unverified), *(f"{name} differs" for name in changed)]
    yield Proof(
        name="rollback",
        held=bool(record.rollbacks) and not unverified and not changed,
        expected=f"{len(record.rollbacks)} changes undone and seen to be gone, resources as before",
        observed="; ".join(left) or ("all verified" if record.rollbacks else "no rollback was recorded"),
        remedy="compare resources/before.yaml with resources/after.yaml in the bundle; "
        "harness restore undoes what is left",
    )


def _by_arm(counts: Mapping[str, int]) -> str:
    names = {"": "without a version or mark", OTHER: "at other versions"}
    return ", ".join(f"{count} {names.get(name, name)}" for name, count in counts.items() if count or name in ARMS)


def _judged(record: Record) -> NDArray[np.bool_]:
    due = record.samples.due_s
    inside = np.zeros(due.shape, dtype=np.bool_)
    for phase in record.phases:
        if phase.kind.judged:
            inside |= (due >= phase.start_s) & (due < phase.end_s)
    return inside


def _share_holds(hits: int, trials: int, planned: float) -> bool:
    if trials == 0:
        return False
    low, high = share_interval(hits, trials, confidence=_CONFIDENCE)
    return low <= planned * (1 + _SLACK) and high >= planned * (1 - _SLACK)


def _share_text(hits: int, trials: int) -> str:
    if trials == 0:
        return "0 of 0"
    low, high = share_interval(hits, trials, confidence=_CONFIDENCE)
    return f"{format_percent(hits / trials)} [{format_percent(low)}, {format_percent(high)}] of {trials}"


def _by_identity(resources: tuple[JsonObject, ...]) -> Mapping[str, JsonValue]:
    return {
        f"{kind} {namespace}/{name}": item.get("spec")
        for item in resources
        for kind, namespace, name in (key(item, ""),)
    }
