"""Attach the outcomes of a test to its report, as plain values: texts, properties and HTML fragments."""

from __future__ import annotations

import json
import math

import pytest

from harness.gate import Outcome
from harness.model import formatting
from harness.model.verdict import Analysis, Verdict
from harness.report import junit, markdown, page, terminal


def attach(report: pytest.TestReport, item: pytest.Item, outcomes: list[Outcome]) -> None:
    """Attach the outcomes to the report, for the terminal, JUnit XML and pytest-html."""
    for outcome in outcomes:
        item.user_properties += junit.properties(outcome.record, outcome.analysis, folder=outcome.folder)
    report.user_properties = list(item.user_properties)
    is_page_wanted = bool(item.config.getoption("htmlpath", None))  # else 50 kB a run would stay until the session ends
    vars(report)["harness_told"] = [
        _told(outcome, unasked=not report.failed) | (_fragments(outcome) if is_page_wanted else {})
        for outcome in outcomes
    ]


def _told(outcome: Outcome, *, unasked: bool) -> dict[str, str]:
    """Return what to show of one outcome. Plain texts only, because xdist sends them between processes."""
    record, analysis = outcome.record, outcome.analysis
    if analysis.verdict is Verdict.PASS:
        text = f"{terminal.line(record, analysis)}\n  report {outcome.report}"
    else:
        text = terminal.render(record, analysis, folder=outcome.folder).rstrip()
        if unasked:
            text += (
                f"\n  note   the test itself did not fail although the verdict is {analysis.verdict}: it did not call "
                "require_pass(), or ignored the error; --harness-unasked says whether that counts"
            )
    return {
        "text": text,
        "markdown": markdown.render(record, analysis, folder=outcome.folder),
        "verdict": analysis.verdict.value,
        "reason": analysis.reason,
        "score": repr(float(analysis.score)),
        "differences": json.dumps(_differences(analysis)),
    }


def _differences(analysis: Analysis) -> dict[str, float]:
    """Return the differences of the objectives by name and phase, as far as they are numbers."""
    return {
        f"{formatting.indicator(finding.objective)} in {formatting.phase(finding)}": finding.difference
        for finding in analysis.findings
        if finding.difference is not None and math.isfinite(finding.difference)
    }


def _fragments(outcome: Outcome) -> dict[str, str]:
    """Return what pytest-html shows of one outcome."""
    parts = page.fragments(outcome.record, outcome.analysis, folder=outcome.folder)
    return {"fragment": parts.html, "cells": "\n".join(parts.cells), "link": str(outcome.report)}
