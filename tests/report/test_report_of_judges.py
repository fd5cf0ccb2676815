"""Every report can render what the real judges decide."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import report_records as records

from harness import wiring
from harness.judge.objectives import parse_objective
from harness.model.verdict import Verdict
from harness.report import junit, markdown, page, terminal
from harness.runner.deciding import decide

OBJECTIVES = (
    "error_rate < +0.5pp", "error_rate{endpoint=GET /reviews/0} < 1%", "latency_p50 < +10%", "latency_p90 < 2s",
    "latency_p99 < +10% or +5ms and < 3s", "latency_p99 < +25%", "throughput > -5%", "split within 2pp",
    "gauge:cpu < +20%", "recovery_time < +5s", "interaction(error_rate) < +1pp", "interaction(latency_p99) < +20%",
)  # fmt: skip


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE], ids=str)
@pytest.mark.parametrize("judge", wiring.JUDGES)
def test_every_judge_can_be_reported(judge: str, verdict: Verdict) -> None:
    """Each judge's analysis of every kind of objective renders as page, text, Markdown and unique properties."""
    record = records.record(verdict)
    record = replace(record, plan=replace(record.plan, objectives=tuple(map(parse_objective, OBJECTIVES))))
    analysis = decide(record, wiring.judge(judge))
    text = page.render(record, analysis)
    assert text.count('<tbody role="rowgroup" class="finding') == len(analysis.findings) >= len(OBJECTIVES)
    assert not re.search(r'(?:d|x|y|x1|x2|y1|y2|width|height|cx|cy)="[^"]*\b(?:nan|inf)\b', text)
    lines = terminal.render(record, analysis).splitlines()
    table = lines[: next(at for at, line in enumerate(lines) if line.startswith("  why"))]
    assert max(len(line) for line in table if "::" not in line) <= 80
    assert markdown.render(record, analysis).count("\n| ") == len(analysis.findings) + 1
    names = [name for name, _ in junit.properties(record, analysis)]
    assert len(set(names)) == len(names)
