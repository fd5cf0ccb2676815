"""Rows of the report's tables: counts and quantiles of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model import formatting
from harness.model.bodies import Body
from harness.model.phase import Phase
from harness.model.record import Record
from harness.model.samples import BASELINE, CANARY, UNKNOWN_ARM, Samples
from harness.model.units import Unit, format_duration, format_percent

_WORST = 5
_MOST_OPERATIONS = 20
_BODIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One arm in one phase."""

    phase: str
    window: str
    arm: str
    n: str
    rate: str
    p50: str
    p99: str
    errors: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """How often each arm answered with one status or error in one phase; ``bad`` if it counts as an error."""

    label: str
    counts: tuple[str, ...]
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One kind of request in one phase; pairs hold baseline and canary."""

    operation: str
    n: tuple[str, str]
    p50: tuple[str, str]
    p99: tuple[str, str]
    errors: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """The responses in one phase.

    rows: one per status, with a column per arm. operations: one per kind of request, if there are several.
    left_out: the number of kinds that are not shown.
    """

    phase: str
    arms: tuple[str, ...]
    rows: tuple[StatusRow, ...]
    operations: tuple[OperationRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the canary."""

    at: str
    phase: str
    operation: str
    latency: str
    late: str
    status: str
    error: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRow:
    """The body of one failed answer. cut: whether it was longer, or secrets were removed from it."""

    title: str
    at: str
    size: str
    text: str
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """Requests that the proxies sent to one endpoint of an arm."""

    arm: str
    address: str
    requests: str
    share: str


def instance_rows(record: Record) -> tuple[InstanceRow, ...]:
    """Return the endpoints of both arms, those with most requests first; empty where the mesh does not count them."""
    rows = []
    for arm, counts in sorted(record.endpoint_requests.items()):
        total = sum(counts.values())
        for address, number in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
            share = format_percent(number / total) if total else formatting.NO_VALUE
            rows.append(InstanceRow(arm=arm, address=address, requests=formatting.count(number), share=share))
    return tuple(rows)


def phase_rows(record: Record) -> tuple[PhaseRow, ...]:
    """Return a row for each arm in each phase."""
    return tuple(
        _phase_row(inside(record.samples, phase), phase, arm, name)
        for phase in record.phases
        for arm, name in ((BASELINE, "baseline"), (CANARY, "canary"))
    )


def status_tables(record: Record) -> tuple[StatusTable, ...]:
    """Return status codes and errors by arm for each judged phase; a third column holds requests of no known arm."""
    unknown = bool((record.samples.arm == UNKNOWN_ARM).any())
    arms = [(BASELINE, "baseline"), (CANARY, "canary"), *([(UNKNOWN_ARM, "unknown arm")] if unknown else [])]
    return tuple(_status_table(record.samples, phase, arms) for phase in record.phases if phase.kind.judged)


def slowest(record: Record) -> tuple[Request, ...]:
    """Return the canary's five slowest requests."""
    samples = record.samples
    canary = np.flatnonzero((samples.arm == CANARY) & np.isfinite(samples.latency_s))
    order = canary[np.argsort(-samples.latency_s[canary], kind="stable")]
    return tuple(_request(record, int(i)) for i in order[:_WORST])


def failures(record: Record) -> tuple[Request, ...]:
    """Return the canary's first failed requests, starting with the judged phase with the highest error rate.

    Phases that are not judged come after those, and failed requests of no known arm last, because they may have been
    the canary's.
    """
    samples = record.samples
    failed = np.flatnonzero(samples.failed & (samples.arm != BASELINE))
    due_s = samples.due_s[failed]
    share = np.zeros(failed.size)
    for phase in record.phases:
        canary = inside(samples, phase).failed[inside(samples, phase).arm == CANARY]
        here = (due_s >= phase.start_s) & (due_s < phase.end_s)
        share[here] = float(phase.kind.judged) + (canary.mean() if canary.size else 0.0)
    order = failed[np.lexsort((due_s, -share, samples.arm[failed] != CANARY))]
    return tuple(_request(record, int(i)) for i in order[:_WORST])


def body_rows(record: Record) -> tuple[BodyRow, ...]:
    """Return the bodies of failed answers, the canary's first; equal ones once."""
    alike: dict[tuple[str, str, int, str, str], list[Body]] = {}
    for arm in ("canary", "", "baseline"):
        for body in record.bodies:
            if body.arm == arm:
                alike.setdefault((arm, body.operation, body.status, body.error, body.text), []).append(body)
    return tuple(map(_body_row, list(alike.values())[:_BODIES]))


def _body_row(alike: Sequence[Body]) -> BodyRow:
    body, more = alike[0], len(alike) - 1
    said = f"{body.operation}: {body.error or f'HTTP {body.status}'} from {body.arm or 'an unknown arm'}"
    return BodyRow(
        title=formatting.printable(said),
        at=f"{body.at_s:.2f} s" + (f" and {more} more like it" if more else ""),
        size=f"{formatting.count(body.size)} B",
        text=formatting.printable(body.text),
        cut=len(body.text.encode()) < body.size,
    )


def inside(samples: Samples, phase: Phase) -> Samples:
    """Return the samples that were due in ``phase``."""
    return samples.where((samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s))


def _phase_row(samples: Samples, phase: Phase, arm: int, name: str) -> PhaseRow:
    own = samples.where(samples.arm == arm)
    latencies = own.latency_s[np.isfinite(own.latency_s)]
    rate = len(own) / phase.duration_s if phase.duration_s > 0 else float("nan")
    return PhaseRow(
        phase=phase.name,
        window=f"{phase.start_s:.1f} to {phase.end_s:.1f} s",
        arm=name,
        n=formatting.count(len(own)),
        rate=formatting.in_unit(rate, Unit.RATE),
        p50=format_duration(float(np.quantile(latencies, 0.5))) if latencies.size else formatting.NO_VALUE,
        p99=format_duration(float(np.quantile(latencies, 0.99))) if latencies.size else formatting.NO_VALUE,
        errors=_counted(int(own.failed.sum()), len(own)),
    )  # fmt: skip


def _status_table(samples: Samples, phase: Phase, arms: Sequence[tuple[int, str]]) -> StatusTable:
    own = inside(samples, phase)
    of_arm = [own.arm == arm for arm, _ in arms]
    rows = [
        _status_row(_named(status), own.status == status, of_arm, bad=bool(status == 0 or status >= 500))
        for status in sorted(set(own.status.tolist()), key=lambda s: (s == 0, s))
    ]  # fmt: skip
    rows += [
        _status_row(own.errors[error], own.error == error, of_arm, bad=True)
        for error in sorted(set(own.error.tolist()) - {0})
    ]
    sent = sorted(set(own.operation.tolist()))
    operations = (
        sorted((own.where(own.operation == o) for o in sent), key=_canary_errors, reverse=True) if len(sent) > 1 else []
    )
    return StatusTable(
        phase=phase.name,
        arms=tuple(name for _, name in arms),
        rows=tuple(rows),
        operations=tuple(_operation_row(samples) for samples in operations[:_MOST_OPERATIONS]),
        left_out=max(len(operations) - _MOST_OPERATIONS, 0),
    )


def _named(status: int) -> str:
    return f"HTTP {status}" if status else "no answer"


def _canary_errors(samples: Samples) -> tuple[int, int]:
    canary = samples.where(samples.arm == CANARY)
    return int(canary.failed.sum()), len(canary)


def _operation_row(samples: Samples) -> OperationRow:
    arms = [samples.where(samples.arm == arm) for arm in (BASELINE, CANARY)]
    finite = [arm.latency_s[np.isfinite(arm.latency_s)] for arm in arms]
    p50, p99 = (
        [
            format_duration(float(np.quantile(latency_s, share))) if latency_s.size else formatting.NO_VALUE
            for latency_s in finite
        ]
        for share in (0.5, 0.99)
    )
    errors = [format_percent(float(arm.failed.mean())) if len(arm) else formatting.NO_VALUE for arm in arms]
    index = int(samples.operation[0])
    name = formatting.printable(samples.operations[index]) if 0 <= index < len(samples.operations) else "unnamed"
    return OperationRow(
        operation=name,
        n=(formatting.count(len(arms[0])), formatting.count(len(arms[1]))),
        p50=(p50[0], p50[1]), p99=(p99[0], p99[1]), errors=(errors[0], errors[1]),
    )  # fmt: skip


def _status_row(label: str, having: NDArray[np.bool_], of_arm: Sequence[NDArray[np.bool_]], *, bad: bool) -> StatusRow:
    counts = []
    for mask in of_arm:
        number, total = int((having & mask).sum()), int(mask.sum())
        counts.append(_counted(number, total))
    return StatusRow(label=formatting.printable(label), counts=tuple(counts), bad=bad)


def _counted(number: int, total: int) -> str:
    return f"{formatting.count(number)} ({format_percent(number / total)})" if total else formatting.NO_VALUE


def _request(record: Record, index: int) -> Request:
    samples = record.samples
    due_s, status = float(samples.due_s[index]), int(samples.status[index])
    phases = [p.name for p in record.phases if p.start_s <= due_s < p.end_s]
    operation, error = int(samples.operation[index]), int(samples.error[index])
    return Request(
        at=f"{due_s:.2f} s",
        phase=phases[0] if phases else "between phases",
        operation=formatting.printable(samples.operations[operation])
        if 0 <= operation < len(samples.operations)
        else "",
        latency=format_duration(float(samples.latency_s[index])),
        late=format_duration(float(samples.late_s[index])),
        status=str(status) if status else "no answer",
        error=formatting.printable(samples.errors[error]) if 0 <= error < len(samples.errors) else "",
        size=f"{formatting.count(int(samples.size[index]))} B",
    )
