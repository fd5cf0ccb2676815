"""What pytest-html says of verdicts: only a fail is Failed, and the title is that of the run."""

from __future__ import annotations

import re

import pytest
from browsing import complaints, show
from inner_sessions import PLUGIN
from playwright.sync_api import Page

SCENARIOS = """
    def test_open(canary): canary.run("inconclusive").require_pass()
    def test_worse(canary): canary.run("marginal").require_pass()
    def test_trouble(canary): raise TypeError("a bug")
    def test_broken(canary): canary.run("fail").require_pass()
    def test_good(canary): canary.run("pass").require_pass()
"""


def made(pytester: pytest.Pytester) -> str:
    """The page of a session."""
    pytester.runpytest_inprocess(*PLUGIN, "--html=page.html", "--self-contained-html")
    return (pytester.path / "page.html").read_text(encoding="utf-8")


def shown(page: Page) -> dict[str, str]:
    """The result column by test, of the rows that a reader sees."""
    rows = page.locator(".results-table-row .collapsible:visible")
    return {
        row.locator(".col-testId").inner_text().partition("::")[2]: row.locator(".col-result").inner_text()
        for row in rows.all()
    }


def test_failed_is_never_next_to_inconclusive(page: Page, pytester: pytest.Pytester) -> None:
    """Each row is shown, and says what the verdict says; the counts agree with the rows, and filter them."""
    pytester.makepyfile(SCENARIOS)
    text = made(pytester)
    show(page, pytester.path / "page.html")
    undecided = {"test_open": "Inconclusive", "test_worse": "Marginal"}
    decided = {"test_trouble": "Error", "test_broken": "Failed", "test_good": "Passed"}
    assert undecided | decided == shown(page)
    counts = {label: int(number) for number, label in re.findall(r">(\d+) ([A-Z][a-z ]+),?</span>", text)}
    assert {"Failed": 1, "Passed": 1, "Skipped or undecided": 2, "Errors": 1} == {
        name: number for name, number in counts.items() if number
    }
    page.uncheck("input[data-test-result=skipped]")
    assert decided == shown(page)
    page.check("input[data-test-result=skipped]")
    assert undecided | decided == shown(page)
    assert complaints(page) == []


def test_the_page_fits_a_phone(page: Page, pytester: pytest.Pytester) -> None:
    """Also while every row is closed."""
    pytester.makepyfile(SCENARIOS)
    made(pytester)
    show(page, pytester.path / "page.html", width=380)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_title_is_that_of_the_run(pytester: pytest.Pytester) -> None:
    """The worst verdict and the name of the run's folder; other suites keep pytest-html's title."""
    pytester.makepyfile(SCENARIOS)
    assert re.search(r"<title[^>]*>FAIL · \d{8}-\d{6}-[0-9a-f]{8}</title>", made(pytester))
    pytester.makepyfile("def test_other(): pass")
    assert re.search(r"<title[^>]*>page.html</title>", made(pytester))
