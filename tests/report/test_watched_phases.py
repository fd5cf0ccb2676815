"""A pass in a phase that is too short to judge is called watched wherever a person or a program reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import report_records as records
from recorded import plan as short_plan

from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase
from harness.model.record import Record
from harness.model.samples import Samples
from harness.model.verdict import Analysis, Verdict
from harness.report import junit, markdown, page, terminal
from harness.report.charts.forest import drawable, forest
from harness.summary import Judged
from harness.summary import _judged as judged_of


@pytest.fixture
def watched() -> tuple[Record, Analysis, int]:
    """A run whose findings of one phase were only watched, and how many those are."""
    record, analysis = records.run(Verdict.PASS)
    short = analysis.findings[0].phase
    findings = tuple(replace(one, watched=one.phase == short) for one in analysis.findings)
    number = sum(one.label == "watched" for one in findings)
    assert 0 < number < len(findings)
    return record, replace(analysis, findings=findings), number


def test_the_label_is_watched_in_texts(watched: tuple[Record, Analysis, int]) -> None:
    """Terminal, Markdown and JUnit properties say it once for each finding."""
    record, analysis, number = watched
    lines = terminal.render(record, analysis).splitlines()
    hidden = [line for line in lines if "were only watched" in line]
    shown = [line for line in lines if line.endswith(" watched") and line not in hidden]
    assert len(shown) + sum(int(line.split()[1]) for line in hidden) == number
    assert markdown.render(record, analysis).count("| watched") == number
    properties = [value for name, value in junit.properties(record, analysis) if name.endswith(".verdict")]
    assert properties.count("watched") == number


@pytest.mark.parametrize("render", [page.render, page.fragments], ids=["page", "row of pytest-html"])
def test_the_label_is_watched_in_html(watched: tuple[Record, Analysis, int], render) -> None:
    """The table of objectives has a badge and a filter for it, and no row that was watched counts as passed."""
    record, analysis, number = watched
    made = render(record, analysis)
    html = made if isinstance(made, str) else made.html
    assert html.count('data-verdict="watched"') == number
    assert f"{number} watched</button>" in html
    passed = sum(one.label == "pass" for one in analysis.findings)
    assert html.count('data-verdict="pass"') == passed


def test_the_label_is_watched_in_the_chart(watched: tuple[Record, Analysis, int]) -> None:
    """Marks, shapes and the description of the chart of differences."""
    record, analysis, _ = watched
    drawn = [one for one in analysis.findings if drawable(one)]
    number = sum(one.label == "watched" for one in drawn)
    assert number > 0
    chart = str(forest(analysis.findings, record))
    assert chart.count("○ ") == number
    assert chart.count('class="row-name watched"') == number
    assert chart.count(", watched") == 2 * number  # in the title and in the label
    assert chart.count('class="row-name pass"') == len(drawn) - number


def test_the_label_is_watched_in_the_summary_of_a_bundle(watched: tuple[Record, Analysis, int]) -> None:
    """What the run's index, the history and differences between runs read."""
    record, analysis, number = watched
    found: list[Judged] = [judged_of(one, record) for one in analysis.findings]
    assert sum(one.verdict == "watched" for one in found) == number


def test_the_judge_says_which_findings_were_only_watched() -> None:
    """The sequential judge marks those of phases that are short while another phase is long."""
    plan = short_plan()
    lengths = {"warm-up": 1.0, "steady": 60.0, "fault": 5.0, "recovery": 4.0}
    plan = replace(plan, phases=tuple(replace(one, duration_s=lengths[one.name]) for one in plan.phases))
    phases, start = [], 0.0
    for one in plan.phases:
        phases.append(Phase(name=one.name, kind=one.kind, start_s=start, end_s=start + one.duration_s))
        start += one.duration_s
    count = int(100 * start)
    rng = np.random.default_rng(1)
    samples = Samples(
        due_s=np.linspace(0, start, count, endpoint=False), latency_s=rng.lognormal(-3.7, 0.3, count),
        late_s=np.zeros(count), status=np.full(count, 200, np.int16), arm=(np.arange(count) % 2).astype(np.int8),
        operation=np.zeros(count, np.int16), error=np.zeros(count, np.int16), size=np.full(count, 300, np.int32),
        operations=("/",), errors=("",),
    )  # fmt: skip
    analysis = SequentialJudge().judge(Evidence(samples=samples, phases=tuple(phases)), plan, now_s=start, final=True)
    assert {one.phase for one in analysis.findings if one.watched} == {"fault", "recovery"}
    assert not any(one.label == "pass" for one in analysis.findings if one.watched)
