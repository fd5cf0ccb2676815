"""A session writes the page of its run when it ends, also after a crash and with xdist."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness

CONFIG = Path(harness.__file__).parent / "demo" / "project" / "harness.yaml"
RECORDS = Path(__file__).parents[1] / "unit"
SCENARIOS = f"""
    import os, sys
    sys.path.insert(0, {str(RECORDS)!r})

    def test_good(_harness_test):
        from recorded import record
        from harness import gate
        _harness_test.outcomes.append(gate.judge_record(record(), _harness_test.next_folder(), "sequential"))

    def test_crash(_harness_test):
        _harness_test.next_folder()
        os._exit(3)

    def test_bug(_harness_test):
        raise TypeError("a bug of the scenario")
"""


def pages(folder: Path) -> str:
    """The text of the only page in the reports."""
    (file,) = folder.glob("reports/*/index.html")
    return file.read_text()


def test_workers_and_a_crash(pytester: pytest.Pytester) -> None:
    """With ``-n 2`` one page has every scenario: the judged one, the crashed one and the one with a bug."""
    pytester.makepyfile(SCENARIOS)
    options = ["-p", "no:locust", "-n", "2", f"--harness-config={CONFIG}", "--harness-out=reports"]
    pytester.runpytest_subprocess(*options)
    text = pages(pytester.path)
    for said in ("test_workers_and_a_crash.py::test_crash", "crashed", "a bug of the scenario", "report.html"):
        assert said in text


def test_stop_at_the_first_failure(pytester: pytest.Pytester) -> None:
    """With ``-x`` the page has the scenarios that ran."""
    pytester.makepyfile(
        "def test_bug(_harness_test):\n    raise TypeError('first')\ndef test_more(_harness_test):\n    raise TypeError('second')"
    )
    pytester.runpytest_subprocess("-p", "no:locust", "-x", f"--harness-config={CONFIG}", "--harness-out=reports")
    text = pages(pytester.path)
    assert "first" in text
    assert "second" not in text


def test_the_docstring_is_recorded(pytester: pytest.Pytester) -> None:
    """The manifest of a run says what its scenario is for: the first paragraph of the docstring."""
    pytester.makepyfile('''
        def test_it(_harness_test):
            """reviews answers
            without stars.

            More words.
            """
            assert _harness_test.about == "reviews answers without stars."
    ''')
    options = ["-p", "no:locust", f"--harness-config={CONFIG}", "--harness-out=reports", "--harness-require-verdicts=0"]
    assert pytester.runpytest_subprocess(*options).ret == 0
