"""Put the samples and windows of all loads of a run on one time axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.model.load import LoadReport
from harness.model.phase import Phase, PhasePlan
from harness.model.samples import Samples, concatenated


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLoad:
    """Holds one load that was sent through its phases.

    Times of samples and windows are seconds since the first due request of this load. planned: the phases that were
    carried out. windows: when they really started and ended. shift_s: seconds from the first due request of
    the whole run to that of this load.
    """

    samples: Samples
    report: LoadReport
    planned: tuple[PhasePlan, ...]
    windows: tuple[Phase, ...]
    shift_s: float


def all_samples(loads: Sequence[SentLoad]) -> Samples:
    """Return the samples of all loads, in seconds since the first due request of the run."""
    if len(loads) == 1:
        return _shifted(loads[0])
    return concatenated([_shifted(load) for load in loads])


def _shifted(load: SentLoad) -> Samples:
    if load.shift_s == 0:
        return load.samples
    return replace(load.samples, due_s=np.asarray(load.samples.due_s + load.shift_s))


def all_windows(loads: Iterable[SentLoad]) -> tuple[Phase, ...]:
    """Return the windows of all loads, in seconds since the first due request of the run."""
    return tuple(
        replace(window, start_s=window.start_s + load.shift_s, end_s=window.end_s + load.shift_s)
        for load in loads
        for window in load.windows
    )


def combined(reports: Sequence[LoadReport]) -> LoadReport:
    """Return one report for several loads, with the sum of each count and the worst of every other value."""
    return replace(
        reports[0],
        planned=sum(report.planned for report in reports),
        recorded=sum(report.recorded for report in reports),
        counted=_total([report.counted for report in reports]),
        dropped=sum(report.dropped for report in reports),
        silent=sum(report.silent for report in reports),
        unanswered=sum(report.unanswered for report in reports),
        unfinished=sum(report.unfinished for report in reports),
        answered=_total([report.answered for report in reports]),
        task_errors=sum(report.task_errors for report in reports),
        users=max(report.users for report in reports),
        broken="; ".join(report.broken for report in reports if report.broken),
        closed=any(report.closed for report in reports),
        late_p50_s=max(report.late_p50_s for report in reports),
        late_p99_s=max(report.late_p99_s for report in reports),
        workers=sum(report.workers for report in reports),
        workers_alive=sum(report.workers_alive for report in reports),
        cpu_share=max(report.cpu_share for report in reports),
        exit_code=_worst_exit_code([report.exit_code for report in reports]),
        notes=tuple(note for report in reports for note in report.notes),
    )


def _total(counts: Sequence[int | None]) -> int | None:
    """Return the sum, or None when one of the counts is unknown."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _worst_exit_code(codes: Sequence[int]) -> int:
    """Return the first code other than 0. The code is negative if a signal ended the process."""
    return next((code for code in codes if code), 0)
