"""Breaking points night by night: what the history keeps of searches, and the page in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import histories
import pytest
from browsing import complaints, fetched, show
from playwright.sync_api import Page
from run_pages import HOSTILE

from harness.cli import main
from harness.errors import RecordError
from harness.history import index
from harness.history.index import History
from harness.history.searches import FILE, by_subject, found_in, read
from harness.report.charts.breaking import breaking_chart
from harness.report.history.breaking import PAGE, breaking_page
from harness.report.history.site import write_site

WIDE = "[...document.querySelectorAll('.harness *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('thead')).length"
RECORDED = {
    "format_version": 1, "started": "2026-11-28T02:00:00+00:00", "service": "reviews", "fault": "delay(ratings)", "target": "local",
    "searched": "time", "objectives": ["error_rate < +10pp"], "unproven": "", "ended": "", "probes": [],
    "arms": {"baseline": {"withstood": 5.0, "broke": None, "estimate": None}, "canary": {"withstood": 0.349, "broke": 0.365, "estimate": 0.357}},
}  # fmt: skip


def recorded(folder: Path, **changes: object) -> Path:
    """Write the file of a search."""
    folder.mkdir(parents=True)
    (folder / FILE).write_text(json.dumps(RECORDED | changes), encoding="utf-8")
    return folder / FILE


def test_searches_stay_when_their_folders_are_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is read once, from the folder of runs or one level deeper, and kept in the index."""
    recorded(tmp_path / "explorations" / "20261128-020000-aaaa" / "1-ratings")
    recorded(
        tmp_path / "job-7" / "explorations" / "20261129-020000-bbbb" / "1-ratings", started="2026-11-29T02:00:00+00:00"
    )
    command = ["history", str(tmp_path), "--json"]
    assert main(command) == 0
    shutil.rmtree(tmp_path / "explorations")
    capsys.readouterr()
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(one["started"][:10], one["arms"]["canary"]) for one in document["breaking_points"]] == [
        (day, {"withstood": 0.349, "broke": 0.365, "estimate": pytest.approx(0.357, abs=0.001)})
        for day in ("2026-11-28", "2026-11-29")
    ]
    assert len(index.read(tmp_path / index.NAME).searches) == 2
    assert (tmp_path / "history" / PAGE).is_file()
    assert main(["history", str(tmp_path)]) == 0
    assert "canary breaks at 357 ms (withstands 349 ms, breaks at 365 ms)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2}, "expected a search of format version 1, found 2"),
        ({"arms": {"canary": 3}}, "arms.canary"),
        ({"service": None}, "service"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    """An unknown format version is not guessed at."""
    file = recorded(tmp_path / "explorations" / "a" / "1", **changes)
    with pytest.raises(RecordError, match=said) as caught:
        list(found_in(tmp_path))
    assert str(file) in str(caught.value)
    file.write_text("{")
    with pytest.raises(RecordError, match="expected JSON"):
        read(file, "a")


def test_only_the_same_searches_are_compared() -> None:
    """Another service, fault, target or tolerance begins a history of its own; nothing is drawn of an unproven search."""
    other = histories.search(1, objectives=("error_rate < +2pp",))
    unproven = histories.search(2, unproven="the fault hit nothing")
    subjects = by_subject([unproven, histories.search(0), other])
    assert [[one.objectives[0] for one in own] for own in subjects] == [
        ["error_rate < +10pp"] * 2,
        ["error_rate < +2pp"],
    ]
    assert "nothing is proven" == unproven.said("canary")
    chart = breaking_chart(subjects[0])
    assert (1, 1) == (chart.count('class="interval canary"'), chart.count('class="dot baseline"'))


def test_the_rows_compare_with_the_baseline_and_the_search_before() -> None:
    """A canary that breaks at half the amount is 50 % below the search before."""
    page = breaking_page([histories.search(0, canary=(0.4, 0.4)), histories.search(1, canary=(0.2, 0.2))], "..")
    assert "−50 %" in page
    assert "breaks at 200 ms" in page
    assert f"../explorations/{histories.run_name(1)}/1-ratings/explore.html" in page


def test_the_page_shows_every_night(page: Page, tmp_path: Path) -> None:
    """The overview leads to it; it fits a phone, asks for nothing, and shows hostile names as text."""
    found = [*histories.searches(60), histories.search(0, fault=HOSTILE, unproven=HOSTILE, objectives=(HOSTILE,))]
    write_site(History(searches=tuple(found)), [], [], tmp_path, runs=tmp_path)
    for width in (380, 1600):
        show(page, tmp_path / "index.html", width=width)
        page.click("#points ~ table a >> nth=1")
        assert page.url.startswith((tmp_path / PAGE).as_uri())
        assert complaints(page) == []
        assert page.evaluate(WIDE) == 0
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        newest = page.locator("svg.breaking .dot.canary").last.bounding_box()
        assert newest is not None
        assert newest["x"] < width, "the newest night is not in view"
    assert page.locator("svg.breaking").count() == 1
    assert page.locator("svg.breaking line.interval.canary").count() == 60
    assert page.locator("tr.item").count() == 62
    assert {url.rpartition("/")[0] for url in fetched(page)} == {tmp_path.as_uri()}
