"""A phase that is too short to judge is called watched in every report, not passed."""

from __future__ import annotations

from dataclasses import replace

import report_records as records

from harness.model.verdict import Verdict
from harness.report import markdown, page, terminal


def test_a_pass_in_a_short_phase_is_called_watched() -> None:
    """The verdict stays what it is; the labels of the rows say that the phase was only watched."""
    record, analysis = records.run(Verdict.PASS)
    short = analysis.findings[0].phase
    lengths = [replace(phase, duration_s=4.0 if phase.name == short else 60.0) for phase in record.plan.phases]
    record = replace(record, plan=replace(record.plan, phases=tuple(lengths)))
    analysis = replace(analysis, judge="sequential")
    passed = sum(one.phase == short and one.verdict is Verdict.PASS for one in analysis.findings)
    assert passed > 0
    assert terminal.render(record, analysis).count(" watched") > 0
    assert f"| watched | {analysis.findings[0].objective.name}".replace("_", "\\_") in markdown.render(record, analysis)
    assert passed == page.render(record, analysis).count('<span class="badge">watched</span>')
    other = replace(analysis, judge="limits")
    assert "watched" not in terminal.render(record, other)
