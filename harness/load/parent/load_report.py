"""From what the workers left behind to the load report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.load.planning.schedule import count_arrivals
from harness.load.protocol.sample_files import facts_file, locust_file
from harness.load.protocol.sample_reader import Head, read_facts, read_heads
from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples


def report_of(
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
    """What the generator says of itself.

    stopped_at_s: seconds into the run at which it was told to stop early, or None. in_time: whether
    it ended by itself within the drain. hung: where the profile was when it did not, if that is known.
    """
    heads = read_heads(folder)
    facts = [found for head in heads if (found := read_facts(facts_file(folder, head.worker))) is not None]
    locust = read_facts(locust_file(folder))

    def total(name: str) -> int:
        return sum(int(fact[name]) for fact in facts)

    late = 0 if locust is None else int(locust["late"])
    workers = (heads[0].workers if heads else plan.processes) + late
    late_p50_s, late_p99_s = np.quantile(samples.late_s, [0.5, 0.99]) if len(samples) else (0.0, 0.0)
    return LoadReport(
        planned=total("scheduled") if stopped_at_s is not None else 0 if plan.users else count_arrivals(plan),
        recorded=len(samples),
        answered=int((samples.status > 0).sum()),
        counted=None if locust is None else int(locust["counted"]),
        dropped=sum(head.dropped for head in heads),
        late_p50_s=float(late_p50_s),
        late_p99_s=float(late_p99_s),
        workers=workers,
        workers_alive=len(facts),
        cpu_share=max((float(fact["cpu_share"]) for fact in facts), default=0.0),
        started_at=started_at,
        exit_code=exit_code,
        notes=tuple(_notes(plan, heads, facts, locust, stopped_at_s=stopped_at_s, in_time=in_time, hung=hung)),
        silent=total("silent"),
        unanswered=total("unanswered"),
        unfinished=total("unfinished"),
        task_errors=total("task_errors"),
        users=total("users"),
        broken="; ".join(sorted({fact["broken"] for fact in facts if fact["broken"]})),
        closed=plan.users is not None,
    )


def _notes(
    plan: LoadPlan,
    heads: tuple[Head, ...],
    facts: list[dict[str, Any]],
    locust: dict[str, Any] | None,
    *,
    stopped_at_s: float | None,
    in_time: bool,
    hung: str,
) -> list[str]:
    notes = list(dict.fromkeys(note for fact in facts for note in fact["notes"]))
    if len(facts) < len(heads):
        notes.append(f"{len(heads) - len(facts)} of {len(heads)} workers did not reach the end")
    if locust is not None and locust["late"]:
        notes.append(f"{locust['late']} worker(s) joined after the start and sent nothing of the plan")
    if locust is None:
        notes.append("the load generator's main process went away before the end")
    if stopped_at_s is not None:
        notes.append(f"stopped early, after {stopped_at_s:.1f} s of {plan.duration_s:g} s")
    if not in_time:
        where = f"; {hung} never gave way to other requests" if hung else ""
        notes.append(f"the load generator did not end by itself after the drain and was stopped{where}")
    return notes
