"""The sections of the HTML report, in the order in which they are shown.

To add one, write ``templates/sections/ID.html`` and add a ``Section`` to ``SECTIONS`` with the function that returns
the values for the template. Templates also see ``scene``, ``record``, ``analysis``, ``plan`` and ``run``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import quote

import numpy as np

from harness.model import formatting
from harness.model.json import JsonObject, JsonValue
from harness.model.record import Series
from harness.model.units import format_percent
from harness.model.verdict import Verdict
from harness.report import tables
from harness.report.buckets import Buckets, Column
from harness.report.changes import changes
from harness.report.charts.distribution import difference, distribution
from harness.report.charts.forest import drawable, forest
from harness.report.charts.metric import metric, readings
from harness.report.charts.timeline import timeline
from harness.report.comparison import comparison
from harness.report.environment import configuration_text, environment_rows
from harness.report.findings import counts, finding_rows, unaccounted
from harness.report.quantiles import quantiles
from harness.report.scene import Scene
from harness.report.traces import worst_traces

_SHOWN_PASSES = 6
_MOST_INSTANCES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a section shows of one run.

    values: the values for its template. note: a remark next to the title. opened: whether it is open at first.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    opened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section. id: its anchor, its CSS class and the name of its template. link: its text in the navigation.

    show: returns what to show, or None when the run has nothing for this section. in_row: whether a row of
    pytest-html shows it too.
    """

    id: str
    title: str
    link: str
    show: Callable[[Scene], Shown | None]
    in_row: bool = False


def _objectives(scene: Scene) -> Shown:
    analysis = scene.analysis
    passed = sum(finding.label == str(Verdict.PASS) for finding in analysis.findings)
    values = {
        "rows": finding_rows(scene.record, analysis),
        "counts": counts(analysis),
        # Passed rows are hidden at first when there are many and others need attention.
        "fold_passes": _SHOWN_PASSES < passed < len(analysis.findings),
    }
    return Shown(values=values, note="worst first; difference is canary against baseline", opened=True)


def _timeline(scene: Scene) -> Shown:
    record, seen = scene.record, scene.seen
    compared = comparison(record, scene.analysis, seen)
    values = {
        "seen": seen,
        "events": sorted(record.events, key=lambda event: event.at_s),
        "cursor": json.dumps(_cursor(seen), separators=(",", ":"), allow_nan=False),
        "charts": [
            timeline(scene.plan, record.phases, record.events, seen, compared, narrow=narrow) for narrow in scene.widths
        ],
        "phase_rows": tables.phase_rows(record),
    }
    return Shown(
        values=values,
        note="by the time at which a request was due; a gap means no data",
        opened=scene.unsettled or scene.whole,
    )


def _cursor(seen: Buckets) -> JsonObject:
    """Return the values that the shared cursor shows, by bucket."""
    rows = [("sent", "req/s", seen.sent_rps)]
    for arm in seen.arms:
        rows += [
            (f"{arm.name} p50", "ms", arm.p50_s * 1e3),
            (f"{arm.name} p99", "ms", arm.p99_s * 1e3),
            (f"{arm.name} errors", "%", arm.errors * 100),
            (f"{arm.name} n", "", arm.n),
        ]
    return {
        "start": seen.start_s,
        "end": seen.end_s,
        "width": seen.width_s,
        "rows": [[name, unit, _short(values)] for name, unit, values in rows],
    }


def _short(values: Column) -> list[JsonValue]:
    return [float(f"{value:.3g}") if np.isfinite(value) else None for value in values]


def _intervals(scene: Scene) -> Shown | None:
    ordered = formatting.worst_first(scene.analysis.findings)
    if not any(map(drawable, ordered)):
        return None
    return Shown(
        values={"charts": [forest(ordered, scene.record, narrow=narrow) for narrow in scene.widths]},
        note="in tolerances; beyond the tolerance, to the right, is too bad",
        opened=scene.unsettled or scene.whole,
    )


def _distributions(scene: Scene) -> Shown | None:
    record = scene.record
    seen = [quantiles(record.samples, phase) for phase in record.phases if phase.kind.judged]
    drawn = [
        {"seen": one, "distribution": distribution(one), "difference": difference(one) if min(one.n) >= 20 else None}
        for one in seen
        if max(one.n) >= 2
    ]
    return (
        Shown(values={"distributions": drawn}, note="of latencies, by phase", opened=scene.unsettled) if drawn else None
    )


def _account(scene: Scene) -> Shown | None:
    rows = finding_rows(scene.record, scene.analysis)
    values = {
        "rows": rows,
        "score": formatting.points(scene.analysis.score),
        "unaccounted": unaccounted(scene.analysis),
    }
    note = "how many of 100 points each objective cost"
    return Shown(values=values, note=note, opened=scene.unsettled) if rows else None


def _proofs(scene: Scene) -> Shown:
    proofs = sorted(scene.analysis.proofs, key=lambda proof: proof.held)
    held = sum(proof.held for proof in proofs)
    return Shown(
        values={"proofs": proofs},
        note=f"{held} of {len(proofs)} held",
        opened=scene.unsettled or held < len(proofs),
    )


def _responses(scene: Scene) -> Shown | None:
    found = tables.status_tables(scene.record)
    note = "by status and by kind of request, in each judged phase"
    instances = tables.instance_rows(scene.record)
    left = max(len(instances) - _MOST_INSTANCES, 0)
    values = {"tables": found, "instances": instances[:_MOST_INSTANCES], "instances_left": left}
    return Shown(values=values, note=note, opened=scene.unsettled) if found or instances else None


def _logs(scene: Scene) -> Shown | None:
    if not scene.logs:
        return None
    rows = [
        {"file": one.file, "href": quote(one.file), "about": one.about, "lines": one.lines, "marked": one.marked}
        for one in scene.logs
    ]
    return Shown(values={"logs": rows}, note="of the canary, at its worst moment", opened=scene.unsettled)


def _requests(scene: Scene) -> Shown:
    record = scene.record
    values = {
        "slowest": tables.slowest(record),
        "failures": tables.failures(record),
        "bodies": tables.body_rows(record) if scene.whole else (),
    }
    return Shown(values=values, opened=scene.unsettled)


def _traces(scene: Scene) -> Shown | None:
    found = worst_traces(scene.record)
    note = "of the requests that were sampled for tracing"
    values = {"traces": found.traces, "remark": found.remark}
    return Shown(values=values, note=note, opened=scene.unsettled) if found.traces else None


def _metrics(scene: Scene) -> Shown | None:
    def key(series: Series) -> tuple[str, str]:
        return series.name, series.unit

    record = scene.record
    shown = [one for one in record.series if "#" not in one.name]  # the others are counters behind these
    groups = [list(group) for _, group in groupby(sorted(shown, key=key), key)]
    drawn: list[dict[str, object]] = [
        {
            "chart": metric(group, record.phases, end_s=scene.seen.end_s),
            "sources": list(dict.fromkeys(one.source for one in group)),
            "readings": json.dumps(readings(group), separators=(",", ":"), allow_nan=False),
        }
        for group in groups
        if any(np.isfinite(one.values).any() for one in group)
    ]
    note = "as measured by the metrics server"
    return Shown(values={"metrics": drawn}, note=note, opened=scene.unsettled) if drawn else None


def _mesh(scene: Scene) -> Shown | None:
    found = changes(scene.record)
    return Shown(values={"changes": found}, note="before, during and after") if found else None


def _method(scene: Scene) -> Shown:
    return Shown(values={"alpha": format_percent(scene.analysis.alpha)})


def _environment(scene: Scene) -> Shown:
    record = scene.record
    return Shown(values={"environment": environment_rows(record.manifest), "config": configuration_text(record.config)})


SECTIONS = (
    Section(id="slis", title="Objectives", link="Objectives", show=_objectives, in_row=True),
    Section(id="timeline", title="Timeline", link="Timeline", show=_timeline, in_row=True),
    Section(id="intervals", title="Intervals", link="Intervals", show=_intervals, in_row=True),
    Section(id="distributions", title="Distributions", link="Distributions", show=_distributions),
    Section(id="account", title="Score breakdown", link="Score", show=_account, in_row=True),
    Section(id="proofs", title="Proofs", link="Proofs", show=_proofs, in_row=True),
    Section(id="status", title="Responses by arm", link="Responses", show=_responses, in_row=True),
    Section(id="requests", title="Worst requests of the canary", link="Worst requests", show=_requests, in_row=True),
    Section(id="traces", title="Traces of the worst requests", link="Traces", show=_traces),
    Section(id="logs", title="Log of the canary", link="Log", show=_logs),
    Section(id="metrics", title="Server side", link="Server side", show=_metrics),
    Section(id="mesh", title="Istio resources", link="Istio", show=_mesh),
    Section(id="method", title="Method", link="Method", show=_method),
    Section(id="environment", title="Environment", link="Environment", show=_environment),
)
