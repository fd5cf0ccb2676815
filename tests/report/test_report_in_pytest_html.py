"""The report's parts in a pytest-html report that pytest made, viewed in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import complaints, fetched, show
from playwright.sync_api import Page

CONFTEST = """
import sys
sys.path.insert(0, {tests!r})
import pytest, pytest_html
import report_records as records
from harness.model.verdict import Verdict
from harness.report import page

seen = []

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        verdict = Verdict(item.name.removeprefix("test_"))
        parts = page.fragments(*records.run(verdict))
        report.harness_cells, report.harness_verdict = parts.cells, verdict.value
        report.extras = [*getattr(report, "extras", []), pytest_html.extras.html(parts.html)]

def pytest_runtest_logreport(report):
    if hasattr(report, "harness_verdict"):
        seen.append(Verdict(report.harness_verdict))

def pytest_html_results_table_header(cells):
    cells[1:1] = page.HEADER_CELLS

def pytest_html_results_table_row(report, cells):
    cells[1:1] = getattr(report, "harness_cells", ("<td></td>", "<td></td>"))

def pytest_html_results_summary(prefix, summary, postfix, session):
    prefix.append(page.prefix(seen))
"""
TESTS = """
def test_pass(): pass
def test_fail(): assert False
def test_marginal(): assert False
def test_inconclusive(): assert False
"""
FRAGMENTS = "document.querySelectorAll('.harness.fragment').length"


@pytest.fixture(scope="module", params=[(), ("-n2",)], ids=["one process", "xdist"])
def pytest_html_report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-contained pytest-html report of four tests, one for each verdict."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST.format(tests=str(Path(__file__).parent)))
    (folder / "test_four.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "suite.html"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:locust", "-p", "no:harness", *request.param]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [*command, f"--html={report}", "--self-contained-html"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert report.exists(), done.stdout
    return report


def test_fragments_show_in_pytest_html(page: Page, pytest_html_report: Path) -> None:
    """Every row shows charts in our colours, verdict and worst deviation, without requests or console errors."""
    show(page, pytest_html_report)
    page.evaluate("document.getElementById('show_all_details').click()")
    assert page.evaluate(FRAGMENTS) == 4
    assert complaints(page) == []
    assert [url for url in fetched(page) if url.startswith(("http", "ws"))] == []
    widths = page.evaluate(
        "[...document.querySelectorAll('svg.timeline.wide')].map(s => s.getBoundingClientRect().width)"
    )
    assert len(widths) == 4
    assert min(width for width in widths if width) > 600
    stroke = page.evaluate("getComputedStyle(document.querySelector('svg.timeline path.canary')).stroke")
    assert stroke == "rgb(217, 88, 13)"
    cells = page.evaluate("[...document.querySelectorAll('td.col-verdict')].map(c => c.textContent).sort()")
    assert cells == sorted(["✓ PASS", "✗ FAIL", "▲ MARGINAL", "? INCONCLUSIVE"])
    assert "error_rate in fault" in page.evaluate(
        "[...document.querySelectorAll('td.col-deviation')].map(c => c.textContent).join()"
    )


def test_script_reaches_fragments(page: Page, pytest_html_report: Path) -> None:
    """The script in the prefix works in the rows: buttons open reasons and the cursor reads the chart."""
    show(page, pytest_html_report)
    page.evaluate("document.getElementById('show_all_details').click()")
    page.evaluate("document.querySelector('[data-harness-verdict=pass] tbody.pass [data-more]').click()")
    assert (
        page.evaluate("document.querySelector('[data-harness-verdict=pass] tbody.pass .why').offsetHeight > 0") is True
    )
    figure = "document.querySelector('.fragment[data-harness-verdict=fail] [data-cursor]')"
    page.evaluate(f"{figure}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'ArrowRight', bubbles: true}}))")
    assert "canary p99" in page.evaluate(f"{figure}.querySelector('.readout').textContent")


def test_counters_filter_rows(page: Page, pytest_html_report: Path) -> None:
    """A verdict's counter shows only its rows, and all rows when it is pressed a second time."""
    show(page, pytest_html_report)
    assert page.evaluate("[...document.querySelectorAll('.counters button')].map(b => b.textContent.trim())") == [
        "1 fail", "1 marginal", "1 inconclusive", "1 pass",
    ]  # fmt: skip
    shown = "[...document.querySelectorAll('.results-table-row')].filter(r => r.offsetHeight).map(r => r.querySelector('.col-verdict').textContent)"
    page.evaluate("document.querySelector('.counters .marginal').click()")
    assert page.evaluate(shown) == ["▲ MARGINAL"]
    page.evaluate("document.querySelector('.counters .marginal').click()")
    assert len(page.evaluate(shown)) == 4
