"""The HTML report: one self-contained file, and the same parts for pytest-html.

Templates, style sheet and script are in ``templates/``; charts are inline SVG. The page fetches nothing, and it
decides nothing: verdicts, intervals and scores come from the analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.model import formatting
from harness.model.record import Record
from harness.model.seed_scope import seed_scope
from harness.model.verdict import Analysis, Proof, Verdict
from harness.report.buckets import buckets
from harness.report.charts.score import meter
from harness.report.facts import facts
from harness.report.findings import worst_deviation
from harness.report.logs import excerpts, worst_moment
from harness.report.next_steps import next_steps
from harness.report.scene import Scene
from harness.report.sections import SECTIONS, Section, Shown
from harness.report.templating import asset, document, environment, part, rendered

HEADER_CELLS = (
    '<th class="sortable" data-column-type="verdict">Verdict</th>',
    '<th class="sortable" data-column-type="deviation">Worst deviation</th>',
)
"""Cells for ``pytest_html_results_table_header``, to insert after the first cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """Parts for pytest-html: ``html`` for ``extras.html``, and ``cells`` to insert after the first cell of the row."""

    html: str
    cells: tuple[str, str]


def render(record: Record, analysis: Analysis, *, folder: Path | str = "") -> str:
    """Render the whole report as one HTML document; ``folder`` is the bundle's, for the commands in the report."""
    scene = _scene(record, analysis, folder, whole=True)
    return document("page.html", "script.js", **_context(scene), banner=_banner(scene), sections=_sections(scene))


def fragments(record: Record, analysis: Analysis, *, folder: Path | str = "") -> Fragments:
    """Render the report's main parts for one row of pytest-html; ``prefix`` renders the style and script they need."""
    scene = _scene(record, analysis, folder, whole=False)
    cell = environment().from_string('<td class="col-{{ name }}" data-harness-verdict="{{ verdict }}">{{ text }}</td>')
    texts = {
        "verdict": f"{formatting.MARKS[analysis.verdict]} {analysis.verdict.upper()}",
        "deviation": worst_deviation(record, analysis),
    }
    cells = [
        cell.render(name=name, verdict=analysis.verdict.value, text=formatting.printable(text))
        for name, text in texts.items()
    ]
    html = rendered("fragment.html", **_context(scene), banner=_banner(scene), sections=_sections(scene))
    return Fragments(html=html, cells=(cells[0], cells[1]))


def prefix(verdicts: Sequence[Verdict]) -> str:
    """Render style, script and the counters of a session's verdicts, which filter the rows, for pytest-html."""
    numbers = [(verdict, list(verdicts).count(verdict)) for verdict in formatting.WORST_FIRST]
    return environment().get_template("prefix.html").render(
        numbers=numbers, style=asset("style.css"), script=asset("script.js"),
    )  # fmt: skip


def _scene(record: Record, analysis: Analysis, folder: Path | str, *, whole: bool) -> Scene:
    run, planned_s = facts(record, folder), record.plan.duration_s
    end_s = min(run.duration_s, planned_s) if planned_s > 0 else run.duration_s
    moment = worst_moment(record) if whole else None
    return Scene(
        record=record, analysis=analysis, run=run, seen=buckets(record, end_s=end_s), whole=whole, moment=moment,
        logs=excerpts(record, Path(folder), moment) if whole and folder else (),
    )  # fmt: skip


def _context(scene: Scene) -> dict[str, object]:
    """Return the values that every template can use."""
    return {
        "scene": scene,
        "record": scene.record,
        "analysis": scene.analysis,
        "plan": scene.plan,
        "run": scene.run,
        "seed_scope": seed_scope(scene.plan) if scene.record.load else "",
    }


def _banner(scene: Scene) -> Markup:
    judge, analysis = scene.plan.judge, scene.analysis
    return part(
        "banner.html",
        **_context(scene),
        score=formatting.points(analysis.score),
        meter=meter(analysis.score, marginal_score=judge.marginal_score, pass_score=judge.pass_score),
        proofs=_to_quote(analysis),
        canary_n=scene.record.requests_of("canary"),
        steps=next_steps(scene),
        probable_cause=probable_cause(scene.analysis),
    )


def _to_quote(analysis: Analysis) -> list[Proof]:
    """Return the failed proofs, without the first one if the reason quotes it: the next step then says what to do."""
    failed = [proof for proof in analysis.proofs if not proof.held]
    undecided = analysis.verdict is Verdict.INCONCLUSIVE
    quoted = undecided and failed and failed[0].name in analysis.reason and failed[0].expected in analysis.reason
    return failed[1:] if quoted else failed


def probable_cause(analysis: Analysis) -> str:
    """Return the cause that the analysis names, or an empty text; analyses of older versions have none."""
    return str(getattr(analysis, "probable_cause", "") or "")


def _sections(scene: Scene) -> list[tuple[Section, Markup]]:
    """Return the sections that have something to show, each with its HTML."""
    shown = [(section, section.show(scene)) for section in SECTIONS if scene.whole or section.in_row]
    return [(section, _section(scene, section, one)) for section, one in shown if one is not None]


def _section(scene: Scene, section: Section, shown: Shown) -> Markup:
    body = part(f"sections/{section.id}.html", **_context(scene), **shown.values)
    return part("section.html", scene=scene, section=section, shown=shown, body=body)
