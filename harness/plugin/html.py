"""pytest-html's door: the verdict as a column, the report's fragments inside the row."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pytest_html import extras

from harness.model.verdict import Verdict
from harness.report import page

_NO_CELLS = '<td class="col-verdict"></td>\n<td class="col-deviation"></td>'


class HtmlReport:
    """Registered only where pytest-html is active."""

    def __init__(self) -> None:
        self._verdicts: list[Verdict] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        """Show the fragments of a test's outcomes in its row."""
        report = yield
        told = getattr(report, "harness_told", [])
        shown = [extras.html(one["fragment"]) for one in told]
        links = [extras.url(Path(one["link"]).as_uri(), name="Report") for one in told]
        report.extras = [*getattr(report, "extras", []), *shown, *links]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count verdicts for the page's head."""
        self._verdicts += [Verdict(one["verdict"]) for one in getattr(report, "harness_told", [])]

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Style, script and counters, once for all fragments."""
        if self._verdicts:
            prefix.append(page.prefix(self._verdicts))

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Verdict and worst deviation stand after the result."""
        cells[1:1] = page.HEADER_CELLS

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """The same of the row's test; of its last outcome, if it had several."""
        told = getattr(report, "harness_told", [])
        cells[1:1] = (told[-1]["cells"] if told else _NO_CELLS).split("\n")
