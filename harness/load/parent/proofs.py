"""Check whether the load was sent as planned: pure functions of the load report."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.load import LoadReport
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Proof

ON_TIME = "load on time"
"""The name of the proof that fails where the load generator has too little CPU."""
SENT_SHARE = 0.999
LATE_WARNING_S, LATE_LIMIT_S = 1e-3, 10e-3
"""The load is good if 99 % of the requests are sent within 1 ms of their due time, and invalid from 10 ms on."""
CPU_LIMIT = 0.9


def load_proofs(report: LoadReport | None) -> tuple[Proof, ...]:
    """Return every proof about the load of a run. A run without a report has one failed proof."""
    if report is None:
        return (
            Proof(
                name="load",
                held=False,
                expected="a report from the load generator",
                observed="none",
                remedy="the load generator ended too early; look at its log",
            ),
        )
    model = _closed_model if report.closed else _open_model
    return (*model(report), _counted(report), *_answered(report), *_generator(report))


def load_warnings(report: LoadReport | None) -> tuple[str, ...]:
    """Return warnings: facts that do not make a proof fail, but that a person should know."""
    if report is None:
        return ()
    warnings = [*report.notes]
    if report.late_p99_s > LATE_WARNING_S:
        warnings.append(
            f"1 % of the requests were sent at least {format_duration(report.late_p99_s)} late: "
            "the load generator blurs differences of that size"
        )
    if report.closed:
        warnings.append(
            "closed model: a slow answer delays the next request of the same user, so slow moments are underrepresented"
        )
    return tuple(warnings)


def _closed_model(report: LoadReport) -> Iterator[Proof]:
    yield Proof(
        name="load sent",
        held=report.recorded > 0,
        expected="at least one request",
        observed=f"{report.recorded} requests",
        remedy="the profile's tasks sent nothing; look at the load generator's log",
    )


def _open_model(report: LoadReport) -> Iterator[Proof]:
    sent = report.planned - report.dropped - report.silent
    yield Proof(
        name="load sent",
        held=report.recorded > 0 and sent >= SENT_SHARE * report.planned and report.recorded >= sent,
        expected=f"at least {format_percent(SENT_SHARE)} of {report.planned} planned arrivals",
        observed=f"{max(0, min(sent, report.recorded))} sent, {report.dropped} dropped, "
        f"{report.silent} ended without a request",
        remedy="the load generator was stopped, lost a worker or was overrun; see its notes and lower the rate",
    )
    yield Proof(
        name="no arrival dropped",
        held=report.dropped == 0,
        expected="0 arrivals dropped",
        observed=f"{report.dropped} of {report.planned}",
        remedy="more requests were in flight than the load generator can hold: "
        "lower the rate, or set a time limit in the profile",
    )
    yield Proof(
        name=ON_TIME,
        held=report.late_p99_s <= LATE_LIMIT_S,
        expected=f"99 % of the requests sent within {format_duration(LATE_LIMIT_S)} of their due time",
        observed=f"within {format_duration(report.late_p99_s)} (half within {format_duration(report.late_p50_s)})",
        remedy="the load generator had too little CPU: lower the rate, give it more processes or another machine",
    )


def _answered(report: LoadReport) -> Iterator[Proof]:
    if report.answered is not None:
        yield Proof(
            name="load answered",
            held=report.answered > 0 or not report.recorded,
            expected="at least one answer, whatever its status",
            observed=f"{report.answered} of {report.recorded} requests were answered",
            remedy="nothing answers: look at the errors of the requests, and check the address that gets the load",
        )


def _generator(report: LoadReport) -> Iterator[Proof]:
    yield Proof(
        name="load workers alive",
        held=report.workers_alive == report.workers > 0,
        expected=f"{report.workers} workers alive at the end",
        observed=f"{report.workers_alive}" + "".join(f"; {note}" for note in report.notes if "worker" in note),
        remedy="a worker was killed or died; look at the load generator's log",
    )
    yield Proof(
        name="load recorded",
        held=not report.broken,
        expected="every request recorded",
        observed=report.broken or f"{report.recorded} recorded",
        remedy="free space on the disk of the report folder",
    )
    yield Proof(
        name="load profile's tasks",
        held=report.task_errors == report.unfinished == 0,
        expected="no exception in the profile's tasks, and every task ended within the drain time",
        observed=f"{report.task_errors} exceptions, {report.unfinished} cut off"
        + "".join(f"; {note}" for note in report.notes if "raised" in note),
        remedy="fix the profile, make it report bad answers with response.failure(), or set a longer drain time",
    )
    yield Proof(
        name="load generator's CPU",
        held=report.cpu_share <= CPU_LIMIT,
        expected=f"at most {format_percent(CPU_LIMIT)} of a core",
        observed=format_percent(report.cpu_share),
        remedy="use more processes, a faster User class (see harness.load.users) or a lower rate",
    )


def _counted(report: LoadReport) -> Proof:
    counted = report.counted
    return Proof(
        name="samples counted",
        held=counted is not None and counted + report.unanswered == report.recorded,
        expected="Locust's own count, which is missing"
        if counted is None
        else f"{counted} requests by Locust's own count"
        + (f" and {report.unanswered} without an answer" if report.unanswered else ""),
        observed=f"{report.recorded} samples",
        remedy="samples were lost between Locust and the recorder; look at the load generator's log",
    )
