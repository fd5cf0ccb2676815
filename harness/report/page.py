"""The HTML report: one file that needs nothing else, and the same parts for pytest-html.

Templates, style sheet and script lie in ``templates/``; charts are inline SVG. Nothing is fetched,
and nothing is decided: verdicts, intervals and scores are the analysis's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.model.json import Json
from harness.model.masking import masked
from harness.model.record import Record
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Analysis, Verdict
from harness.report import tables, words
from harness.report.buckets import Buckets, Column, buckets
from harness.report.changes import changes
from harness.report.charts.distribution import difference, distribution
from harness.report.charts.forest import drawable, forest
from harness.report.charts.metric import metric
from harness.report.charts.score import meter
from harness.report.charts.timeline import timeline
from harness.report.facts import facts
from harness.report.findings import counts, finding_rows, minus, unaccounted, worst_deviation
from harness.report.quantiles import quantiles

HEADER_CELLS = (
    '<th class="sortable" data-column-type="verdict">Verdict</th>',
    '<th class="sortable" data-column-type="deviation">Worst deviation</th>',
)
"""For ``pytest_html_results_table_header``: insert after the first cell."""

_SHOWN_PASSES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """Parts for pytest-html. ``html`` is for ``extras.html``, ``cells`` for the row after its first cell."""

    html: str
    cells: tuple[str, str]


def render(record: Record, analysis: Analysis, *, folder: Path | str = "") -> str:
    """The whole report as one HTML document. ``folder`` is where the bundle lies, for the commands it shows."""
    context = _context(record, analysis, folder)
    script = _asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _environment().get_template("page.html")
    return template.render(**context, style=_asset("style.css"), script=script, script_hash=f"sha256-{digest}")


def fragments(record: Record, analysis: Analysis, *, folder: Path | str = "") -> Fragments:
    """The report's main parts for one row of pytest-html; ``prefix`` has the style and script they need."""
    context = _context(record, analysis, folder)
    cell = _environment().from_string('<td class="col-{{ name }}" data-harness-verdict="{{ verdict }}">{{ text }}</td>')
    texts = {
        "verdict": f"{words.MARKS[analysis.verdict]} {analysis.verdict.upper()}",
        "deviation": worst_deviation(record, analysis),
    }
    cells = [
        cell.render(name=name, verdict=analysis.verdict.value, text=words.printable(text))
        for name, text in texts.items()
    ]
    return Fragments(html=_environment().get_template("fragment.html").render(**context), cells=(cells[0], cells[1]))


def prefix(verdicts: Sequence[Verdict]) -> str:
    """Style, script and counters of a session's verdicts (they filter the rows) for pytest-html's ``prefix``."""
    numbers = [(verdict, list(verdicts).count(verdict)) for verdict in words.WORST_FIRST]
    return _environment().get_template("prefix.html").render(
        numbers=numbers, style=_asset("style.css"), script=_asset("script.js"),
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = minus
    environment.globals["duration"] = format_duration
    return environment


def _asset(name: str) -> Markup:
    """Our own style sheet or script, as it is."""
    return Markup(files("harness.report").joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704 - a file of ours


def _context(record: Record, analysis: Analysis, folder: Path | str) -> dict[str, Any]:
    run = facts(record, folder)
    plan, ordered = record.plan, words.worst_first(analysis.findings)
    seen = buckets(record, end_s=min(run.duration_s, plan.duration_s) if plan.duration_s > 0 else run.duration_s)
    drawn = any(map(drawable, ordered))
    return {
        "run": run, "record": record, "plan": plan, "analysis": analysis,
        "events": sorted(record.events, key=lambda event: event.at_s),
        "opened": analysis.verdict is not Verdict.PASS,
        "score": words.points(analysis.score),
        "meter": meter(analysis.score, marginal_score=plan.judge.marginal_score, pass_score=plan.judge.pass_score),
        "rows": finding_rows(record, analysis), "counts": counts(analysis), "unaccounted": unaccounted(analysis),
        "fold_passes": _fold_passes(analysis),
        "seen": seen, "cursor": json.dumps(_cursor(seen), separators=(",", ":"), allow_nan=False),
        "timelines": [timeline(plan, record.phases, record.events, seen, narrow=narrow) for narrow in (False, True)],
        "forests": [forest(ordered, record, narrow=narrow) for narrow in (False, True)] if drawn else [],
        "phase_rows": tables.phase_rows(record), "status_tables": tables.status_tables(record),
        "slowest": tables.slowest(record), "failures": tables.failures(record),
        "distributions": _distributions(record), "metrics": _metrics(record, end_s=seen.end_s),
        "changes": changes(record), "proofs": sorted(analysis.proofs, key=lambda proof: proof.held),
        "canary_n": int((record.samples.arm == 1).sum()), "alpha": format_percent(analysis.alpha),
        "environment": _flat(record.manifest), "config": yaml.safe_dump(masked(record.config), sort_keys=False, allow_unicode=True) if record.config else "",
    }  # fmt: skip


def _fold_passes(analysis: Analysis) -> bool:
    """Whether passed rows are folded away at first: when others need the eye, and there are many."""
    passed = sum(finding.verdict is Verdict.PASS for finding in analysis.findings)
    return passed > _SHOWN_PASSES and passed < len(analysis.findings)


def _cursor(seen: Buckets) -> dict[str, Json]:
    """What the shared cursor reads out, bucket by bucket."""
    rows = [("sent", "req/s", seen.sent_rps)]
    for arm in seen.arms:
        rows += [
            (f"{arm.name} p50", "ms", arm.p50_s * 1e3),
            (f"{arm.name} p99", "ms", arm.p99_s * 1e3),
            (f"{arm.name} errors", "%", arm.errors * 100),
            (f"{arm.name} n", "", arm.n),
        ]
    return {
        "start": seen.start_s, "end": seen.end_s, "width": seen.width_s,
        "rows": [[name, unit, _short(values)] for name, unit, values in rows],
    }  # fmt: skip


def _short(values: Column) -> list[float | None]:
    return [float(f"{value:.3g}") if np.isfinite(value) else None for value in values]


def _distributions(record: Record) -> list[dict[str, Any]]:
    seen = [quantiles(record.samples, phase) for phase in record.phases if phase.kind.judged]
    return [
        {"seen": one, "distribution": distribution(one), "difference": difference(one) if min(one.n) >= 20 else None}
        for one in seen
        if max(one.n) >= 2
    ]


def _metrics(record: Record, *, end_s: float) -> list[dict[str, Any]]:
    def key(series: Any) -> tuple[str, str]:
        return series.name, series.unit

    groups = [list(group) for _, group in groupby(sorted(record.series, key=key), key)]
    return [
        {
            "chart": metric(group, record.phases, end_s=end_s),
            "sources": list(dict.fromkeys(one.source for one in group)),
        }
        for group in groups
        if any(np.isfinite(one.values).any() for one in group)
    ]


def _flat(manifest: Json, path: str = "") -> list[tuple[str, str]]:
    """Nested mappings as dotted names, with secret values hidden."""
    rows: list[tuple[str, str]] = []
    for name, value in masked(manifest).items():
        here = f"{path}{name}"
        if isinstance(value, dict):
            rows += _flat(value, f"{here}.")
        else:
            text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((words.printable(here), words.printable(text)))
    return rows
