"""pytest-html's door: the verdict as a column, the report's fragments inside the row."""

from __future__ import annotations

import html
from typing import Any

import pytest
from pytest_html import extras

from harness.report import page


class HtmlReport:
    """Registered only where pytest-html is active."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        """Show the fragments of a test's outcomes in its row."""
        report = yield
        told = getattr(report, "harness_told", [])
        shown = [extras.html(one["fragment"]) for one in told]
        links = [extras.url(f"file://{html.escape(one['link'])}", name="Report") for one in told]
        report.extras = [*getattr(report, "extras", []), *shown, *links]
        return report

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """One style sheet for all fragments."""
        prefix.append(f"<style>{page.style()}</style>")

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Verdict and score stand after the result."""
        cells.insert(1, '<th class="sortable" data-column-type="verdict">Verdict</th>')

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Verdict and score of the row's test."""
        told = getattr(report, "harness_told", [])
        text = ", ".join(f"{one['verdict']} {one['score']}" for one in told)
        cells.insert(1, f'<td class="col-verdict">{html.escape(text)}</td>')
