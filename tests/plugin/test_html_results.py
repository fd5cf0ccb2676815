"""What pytest-html says of verdicts: only a fail is Failed, and the title is that of the run."""

from __future__ import annotations

import html
import json
import re

import pytest
from stub_canary import PLUGIN

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


def results(text: str) -> dict[str, str]:
    """The result column by test, as the page's script reads it."""
    (blob,) = re.findall(r'data-jsonblob="([^"]*)"', text)
    tests = json.loads(html.unescape(blob))["tests"]
    return {name.partition("::")[2]: rows[0]["result"] for name, rows in tests.items()}


def test_failed_is_never_next_to_inconclusive(pytester: pytest.Pytester) -> None:
    """Each row says what the verdict says, and the counts agree with the rows."""
    pytester.makepyfile(SCENARIOS)
    text = made(pytester)
    assert results(text) == {
        "test_open": "Inconclusive", "test_worse": "Marginal", "test_trouble": "Error", "test_broken": "Failed",
        "test_good": "Passed",
    }  # fmt: skip
    counts = {label: int(number) for number, label in re.findall(r">(\d+) ([A-Z][a-z ]+),?</span>", text)}
    assert {"Failed": 1, "Passed": 1, "Inconclusive": 1, "Marginal": 1} == {
        name: counts[name] for name in ("Failed", "Passed", "Inconclusive", "Marginal")
    }


def test_title_is_that_of_the_run(pytester: pytest.Pytester) -> None:
    """The worst verdict and the name of the run's folder; other suites keep pytest-html's title."""
    pytester.makepyfile(SCENARIOS)
    assert re.search(r"<title[^>]*>FAIL · \d{8}-\d{6}-[0-9a-f]{8}</title>", made(pytester))
    pytester.makepyfile("def test_other(): pass")
    assert re.search(r"<title[^>]*>page.html</title>", made(pytester))
