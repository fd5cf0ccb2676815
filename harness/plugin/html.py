"""Extend the report of pytest-html: columns for the verdict, and the parts of our report inside each row."""

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
    """The hooks for pytest-html; registered only if it is active."""

    def __init__(self) -> None:
        self._verdicts: list[Verdict] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        """Show the fragments of a test's outcomes in its row.

        Registered after the hooks that attach the outcomes, this is outside of them and sees what they attached.
        """
        report = yield
        told = [one for one in getattr(report, "harness_told", []) if "fragment" in one]
        shown = [extras.html(one["fragment"]) for one in told]
        links = [extras.url(Path(one["link"]).as_uri(), name="Report") for one in told]
        report.extras = [*getattr(report, "extras", []), *shown, *links]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the verdicts for the summary of the page."""
        self._verdicts += [Verdict(one["verdict"]) for one in getattr(report, "harness_told", [])]

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Add the style, the script and the counters, once for all fragments."""
        if self._verdicts:
            prefix.append(page.prefix(self._verdicts))

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add columns for the verdict and the worst deviation after the result."""
        cells[1:1] = page.HEADER_CELLS

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Fill those columns from the test's last outcome."""
        told = getattr(report, "harness_told", [])  # with fragments, because rows are made only for --html
        cells[1:1] = (told[-1]["cells"] if told else _NO_CELLS).split("\n")
