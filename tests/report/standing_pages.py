"""One page of every kind that stands alone, made without running anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import histories
import report_records as records
import run_pages
from test_explore import found
from test_release_page import HELD
from test_traces import traced

from harness.explore import page as explored
from harness.history.changes import notices
from harness.history.index import History
from harness.history.trends import scenario_trends
from harness.model.verdict import Verdict
from harness.report import diff, page, release_page
from harness.report.diff_page import render as render_diff
from harness.report.history.breaking import PAGE
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


def breaking_points(folder: Path) -> Path:
    """The breaking points of sixty nights."""
    history = History(searches=tuple(histories.searches(60)))
    write_site(history, [], [], folder / "site", runs=folder)
    return folder / "site" / PAGE


def exploration(folder: Path) -> Path:
    """A search for breaking points, with earlier ones."""
    nights = histories.searches(3)[:3]
    return written(
        folder, explored.render(found(), service="reviews", target="local", command="harness explore", nights=nights)
    )


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


PAGES = (
    report, inconclusive_report, run_index, history, scenario_history, breaking_points, exploration, release, comparison
)  # fmt: skip
