"""Build the load report from the workers' reports and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.load.planning.schedule import count_arrivals
from harness.load.protocol.messages import LocustReport, WorkerReport, read_locust_report, read_worker_report
from harness.load.protocol.sample_reader import SampleHeader, read_headers
from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples


# Longer than 40 lines, because it has one line for each field of the report.
def build_report(
    plan: LoadPlan,
    folder: Path,
    samples: Samples,
    *,
    exit_code: int,
    started_at: float,
    stopped_at_s: float | None,
    in_time: bool,
    hung: str = "",
) -> LoadReport:
    """Build the load generator's report about a run.

    stopped_at_s: seconds into the run at which the generator was told to stop early, or None. in_time: whether it ended
    by itself within the drain time. hung: if it did not, the line of the profile where it hung, if known.
    """
    headers = read_headers(folder)
    reports = [found for header in headers if (found := read_worker_report(folder, header.worker)) is not None]
    locust = read_locust_report(folder)
    late = 0 if locust is None else locust["late"]
    workers = (headers[0].workers if headers else plan.processes) + late
    scheduled = sum(report["scheduled"] for report in reports)
    late_p50_s, late_p99_s = np.quantile(samples.late_s, [0.5, 0.99]) if len(samples) else (0.0, 0.0)
    return LoadReport(
        planned=scheduled if stopped_at_s is not None else 0 if plan.users else count_arrivals(plan),
        recorded=len(samples),
        answered=int((samples.status > 0).sum()),
        counted=None if locust is None else locust["counted"],
        dropped=sum(header.dropped for header in headers),
        late_p50_s=float(late_p50_s),
        late_p99_s=float(late_p99_s),
        workers=workers,
        workers_alive=len(reports),
        cpu_share=max((report["cpu_share"] for report in reports), default=0.0),
        started_at=started_at,
        exit_code=exit_code,
        notes=tuple(_notes(plan, headers, reports, locust, stopped_at_s=stopped_at_s, in_time=in_time, hung=hung)),
        silent=sum(report["silent"] for report in reports),
        unanswered=sum(report["unanswered"] for report in reports),
        unfinished=sum(report["unfinished"] for report in reports),
        task_errors=sum(report["task_errors"] for report in reports),
        users=sum(report["users"] for report in reports),
        broken="; ".join(sorted({report["broken"] for report in reports if report["broken"]})),
        closed=plan.users is not None,
    )


def _notes(
    plan: LoadPlan,
    headers: tuple[SampleHeader, ...],
    reports: list[WorkerReport],
    locust: LocustReport | None,
    *,
    stopped_at_s: float | None,
    in_time: bool,
    hung: str,
) -> list[str]:
    notes = list(dict.fromkeys(note for report in reports for note in report["notes"]))
    if len(reports) < len(headers):
        notes.append(f"{len(headers) - len(reports)} of {len(headers)} workers did not reach the end")
    if locust is not None and locust["late"]:
        notes.append(f"{locust['late']} worker(s) connected after the start and sent no part of the plan")
    if locust is None:
        notes.append("the load generator's main process died before the end")
    if stopped_at_s is not None:
        notes.append(f"stopped early, after {stopped_at_s:.1f} s of {plan.duration_s:g} s")
    if not in_time:
        where = f"; {hung} never yielded to other requests" if hung else ""
        notes.append(f"the load generator did not end by itself after the drain and was stopped{where}")
    return notes
