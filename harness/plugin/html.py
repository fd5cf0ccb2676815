"""Extend the report of pytest-html: columns for the verdict, and the parts of our report inside each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from pytest_html import extras

from harness.model.formatting import WORST_FIRST
from harness.model.verdict import Verdict
from harness.plugin.account import INCONCLUSIVE, MARGINAL, TROUBLE, USAGE

_WORDS = {INCONCLUSIVE: "Inconclusive", MARGINAL: "Marginal", TROUBLE: "Error", USAGE: "Error"}
"""What the result column says of these kinds of failure: only a fail is Failed."""
_CATEGORIES = {INCONCLUSIVE: "Skipped", MARGINAL: "Skipped", TROUBLE: "Error", USAGE: "Error"}
"""As what pytest-html counts and filters them. It hides rows of categories that it does not know."""
_NO_CELLS = '<td class="col-verdict"></td>\n<td class="col-deviation"></td>'


class HtmlReport:
    """The hooks for pytest-html; registered only if it is active."""

    def __init__(self, run_name: Callable[[], str]) -> None:
        """Begin a session without verdicts. run_name: returns the name of the run, for the title."""
        self._verdicts: list[Verdict] = []
        self._run_name = run_name
        self._page: Any = None  # pytest-html has no types
        self._moved: Counter[str] = Counter()

    def pytest_html_report_title(self, report: object) -> None:
        """Keep the page's data, whose title is set when the verdicts are known."""
        self._page = report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the fragments of a test's outcomes in its row.

        Registered after the hooks that attach the outcomes, this is outside of them and sees what they attached.
        """
        report = yield
        told = [one for one in getattr(report, "harness_told", []) if "fragment" in one]
        shown = [extras.html(one["fragment"]) for one in told]
        links = [extras.url(Path(one["link"]).as_uri(), name="Report") for one in told]
        vars(report)["extras"] = [*getattr(report, "extras", []), *shown, *links]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the verdicts for the summary of the page."""
        self._verdicts += [Verdict(one["verdict"]) for one in getattr(report, "harness_told", [])]

    def pytest_html_results_summary(self, prefix: list[str], summary: list[str]) -> None:
        """Add the style, the script and the counters, once for all fragments; set the title and correct the counts."""
        if self._verdicts:
            from harness.report import page  # loads the judge, and these hooks are called with --html only

            prefix.append(page.prefix(self._verdicts))
        if self._page is not None and (self._verdicts or self._moved):
            worst = min(self._verdicts, key=WORST_FIRST.index).upper() if self._verdicts else "NO VERDICT"
            self._page.title = f"{worst} · {self._run_name()}"
            self._correct_counts(summary)

    def _correct_counts(self, summary: list[str]) -> None:
        """Count undecided verdicts and trouble as what they are; pytest-html has counted each of them as failed."""
        outcomes = self._page.outcomes
        outcomes["skipped"]["label"] = "Skipped or undecided"
        for category, number in self._moved.items():
            outcomes["failed"]["value"] -= number
            outcomes[category.lower()]["value"] += number
        left_out = self._moved.total()
        if left_out:
            summary.append(f"<p>{left_out} more of the tests ended with an error or without a decision.</p>")

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add columns for the verdict and the worst deviation after the result."""
        from harness.report import page

        cells[1:1] = page.HEADER_CELLS

    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Fill those columns from the test's last outcome."""
        kind = getattr(report, "harness_kind", "")
        if kind in _WORDS and report.when == "call" and report.failed:
            category = _CATEGORIES[kind]  # its script reads the first cell and shows the second one
            cells[0] = f'<td hidden>{category}</td><td class="col-result">{_WORDS[kind]}</td>'
            self._moved[category] += 1
        told = getattr(report, "harness_told", [])  # with fragments, because rows are made only for --html
        cells[1:1] = (told[-1]["cells"] if told else _NO_CELLS).split("\n")
