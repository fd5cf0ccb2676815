"""Repeated runs in one process do not fill its memory."""

from __future__ import annotations

import gc
import re
import tracemalloc
from pathlib import Path

import pytest
from fake_outcome import run_on_fake_parts

from harness.gate import Outcome
from harness.plugin.spool import Spool

LIMIT_B = 10_000
"""A run allocates megabytes, of which about 2 kB stay: caches of Python and of its libraries that settle."""
FAKES = Path(__file__).parents[1] / "fakes"
CONFTEST = """
import sys
sys.path.insert(0, {fakes!r})
import gc
import pytest
from fake_outcome import run_on_fake_parts
from harness.model.record import Record
from harness.plugin.options import OUTCOMES

@pytest.fixture
def canary(request, tmp_path):
    def run():
        request.node.stash[OUTCOMES] = [run_on_fake_parts(tmp_path)]
    return run

@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish():
    gc.collect()
    print("records alive:", sum(isinstance(thing, Record) for thing in gc.get_objects()))
    kept = [*REPORTS, *ITEMS]
    ours = [name for one in kept for name, _ in one.user_properties if name.startswith("harness.")]
    print("properties kept:", len(ours))
    print("texts in reports:", sum(len(getattr(report, "harness_told", ())) for report in REPORTS))

REPORTS, ITEMS = [], []

def pytest_collection_modifyitems(items):
    ITEMS[:] = items

def pytest_runtest_logreport(report):
    REPORTS.append(report)
"""


def growth_a_run(folder: Path, kept: list[Outcome] | None, *, warm_up: int, runs: int) -> float:
    """Return by how many bytes the memory grows with each run. kept: a planted leak, which keeps every outcome."""

    def once() -> None:
        outcome = run_on_fake_parts(folder)
        if kept is not None:
            kept.append(outcome)

    tracemalloc.start()
    try:
        for _ in range(warm_up):
            once()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(runs):
            once()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / runs


def test_a_run_leaves_no_memory_behind(tmp_path: Path) -> None:
    """The engine, the bundle, the judge and the report keep nothing of a run."""
    assert growth_a_run(tmp_path, None, warm_up=3, runs=5) < LIMIT_B


def test_the_limit_finds_a_planted_leak(tmp_path: Path) -> None:
    """A list that keeps the outcomes, with their samples, breaks the limit."""
    assert growth_a_run(tmp_path, [], warm_up=1, runs=2) > 5 * LIMIT_B


def session_of_three(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run three tests, each with the outcome of a run on fake parts, in one process."""
    pytester.makeconftest(CONFTEST.format(fakes=str(FAKES)))
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('number', range(3))\ndef test_run(canary, number): canary()\n"
    )
    return pytester.runpytest_subprocess("-s", "-p", "no:locust", "--harness-unasked=warn", *args)


def test_a_session_does_not_keep_the_samples_of_its_tests(pytester: pytest.Pytester) -> None:
    """Pytest keeps every item until it ends, but no item keeps the record of its run."""
    result = session_of_three(pytester)
    result.assert_outcomes(passed=3)
    assert re.findall(r"records alive: (\d+)", result.stdout.str()) == ["0", "0", "0"]
    assert "bundle/report.html" in result.stdout.str()


def test_a_session_does_not_keep_the_texts_of_its_tests(pytester: pytest.Pytester) -> None:
    """They are on the disk until they are shown at the end; pytest keeps every report."""
    session = session_of_three(pytester, "--junit-xml=verdicts.xml")
    assert re.findall(r"texts in reports: (\d+)", session.stdout.str()) == ["0", "0", "0"]
    assert re.findall(r"properties kept: (\d+)", session.stdout.str()) == ["0", "0", "0"]
    assert 3 == Path(pytester.path / "verdicts.xml").read_text().count('name="harness.verdict"')
    assert session.stdout.str().count(" canary analysis ") == 3


def test_texts_survive_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of any length and script come back, from the disk or, if that is full, from memory."""
    spool, texts = Spool(), [{"text": "ä\n" * 100_000}, {"text": ""}, {"text": "x", "verdict": "fail"}]
    places = [spool.put(texts[0]), spool.put(texts[1])]
    with monkeypatch.context() as patch:
        patch.setattr(spool, "_file", open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
        file = spool._file
        places.append(spool.put(texts[2]))
        file.close()
    assert texts == [spool.get(place) for place in places]
    spool.close()


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["one process", "xdist"])
def test_pytest_html_still_shows_the_fragments(pytester: pytest.Pytester, args: list[str]) -> None:
    """They are made only where a page is asked for, because they would stay in memory too."""
    session_of_three(pytester, "--html=page.html", "--self-contained-html", *args).assert_outcomes(passed=3)
    assert "harness fragment" in Path(pytester.path / "page.html").read_text()
