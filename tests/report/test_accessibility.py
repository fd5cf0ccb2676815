"""axe-core finds nothing in any page that stands alone, at 380 and 1600 pixels, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import accessibility
import histories
import pytest
import report_records as records
import run_pages
from browsing import show
from playwright.sync_api import Page
from test_release_page import HELD
from test_traces import traced

from harness.history.changes import notices
from harness.history.index import History
from harness.history.trends import scenario_trends
from harness.model.verdict import Verdict
from harness.report import diff, page, release_page
from harness.report.diff_page import render as render_diff
from harness.report.history.site import page_name, write_site
from harness.report.run_index import write_index


def report(folder: Path) -> Path:
    """The report of a failed run with traces."""
    record = traced()
    text = page.render(record, records.analysis(record, Verdict.FAIL), folder=folder)
    return written(folder, text)


def inconclusive_report(folder: Path) -> Path:
    """The report of a run that ended early, with a failed proof."""
    record, analysis = records.run(Verdict.INCONCLUSIVE)
    return written(folder, page.render(replace(record, aborted="the kill file was found"), analysis))


def run_index(folder: Path) -> Path:
    """The page of a run with every verdict."""
    return write_index(run_pages.run_of(folder / "20261128-090000-aaaa", *Verdict))


def history(folder: Path) -> Path:
    """The overview of a hundred nights."""
    return _site(folder) / "index.html"


def scenario_history(folder: Path) -> Path:
    """The page of one scenario's nights."""
    return _site(folder) / page_name("scenarios/test_shop.py::test_scenario_0")


def release(folder: Path) -> Path:
    """A release that is held."""
    return written(folder, release_page.render(HELD))


def comparison(folder: Path) -> Path:
    """Two runs side by side."""
    sides = [
        diff.side(label, label, *records.run(verdict)) for label, verdict in (("A", Verdict.PASS), ("B", Verdict.FAIL))
    ]
    return written(folder, render_diff([diff.difference(*sides)], title=("A", "B"), alone=[]))


def _site(folder: Path) -> Path:
    runs = History(runs=tuple(histories.years(100)))
    trends = scenario_trends(runs)
    write_site(runs, trends, notices(runs, trends), folder / "site", runs=folder)
    return folder / "site"


def written(folder: Path, text: str) -> Path:
    """A page as a file."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "made",
    [report, inconclusive_report, run_index, history, scenario_history, release, comparison],
    ids=lambda made: made.__name__,
)
def test_axe_finds_nothing(page: Page, tmp_path: Path, made: Callable[[Path], Path]) -> None:
    """Contrast, names, roles, headings and landmarks are in order, with everything unfolded."""
    show(page, made(tmp_path))
    assert [] == list(accessibility.violations(page))
