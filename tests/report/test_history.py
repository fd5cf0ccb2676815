"""The history of many runs: what is kept, what is found, and the pages in a real browser."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import histories
import pytest
import run_pages
from browsing import complaints, fetched, opens_within, show
from json_schemas import require_fit
from playwright.sync_api import Page
from run_pages import HOSTILE

from harness import bundle, run_folder
from harness.cli import main
from harness.errors import RecordError
from harness.history import index
from harness.history.changes import FAILED, LEVEL, RECOVERED, notices
from harness.history.index import History
from harness.history.runs import updated
from harness.history.trends import scenario_trends
from harness.model.verdict import Verdict
from harness.report.charts.trend import trend_chart
from harness.report.history.site import page_name, write_site

STEP = [0.0, 0.01, -0.01, 0.02] * 15 + [0.1, 0.11, 0.09, 0.12] * 5
WIDE = "[...document.querySelectorAll('.harness *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('thead')).length"


def history(entries: list) -> History:
    """A history without a file."""
    return History(runs=tuple(entries))


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two finished runs on disk: a fail, then a pass."""
    run_pages.run_of(tmp_path / "reports" / "20261127-020000-aaaa", Verdict.FAIL, code=1)
    run_pages.run_of(tmp_path / "reports" / "20261128-020000-bbbb", Verdict.PASS)
    return tmp_path / "reports"


def test_only_new_runs_are_read(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index grows by a line for each new run; known runs are not read again, and stay when their folder is gone."""
    path = reports / index.NAME
    first = updated(reports, path)
    assert [(["fail"], 1), (["pass"], 0)] == [([s.verdict for s in run.scenarios], run.exit_code) for run in first.runs]
    content = path.read_bytes()
    assert content.count(b"\n") == 3
    monkeypatch.setattr("harness.history.runs.summaries", lambda _: pytest.fail("a known run was read again"))
    assert updated(reports, path) == first
    shutil.rmtree(reports / "20261127-020000-aaaa")
    assert updated(reports, path) == first
    monkeypatch.undo()
    shutil.copytree(reports / "20261128-020000-bbbb", reports / "ci-artifact" / "20261129-020000-cccc")
    assert [run.run for run in updated(reports, path).runs][-1] == "ci-artifact/20261129-020000-cccc"
    assert path.read_bytes().startswith(content)


def test_a_run_that_ends_later_replaces_its_entry(tmp_path: Path) -> None:
    """An unfinished run is in the history without a verdict; when it has ended, its later line counts."""
    folder = run_pages.run_of(tmp_path / "20261128-020000-bbbb", Verdict.PASS, code=None)
    (folder / "test_more").mkdir()
    path = tmp_path / index.NAME
    (run,) = updated(tmp_path, path).runs
    assert ["pass", "none"] == [one.verdict for one in run.scenarios]
    (folder / "test_more").rmdir()
    run_folder.finish_run(folder, 0)
    (run,) = updated(tmp_path, path).runs
    assert ([one.verdict for one in run.scenarios], run.exit_code) == (["pass"], 0)


def test_unknown_formats_and_damage_are_refused(tmp_path: Path) -> None:
    """A newer index, a file that is none and a damaged line are errors; nothing is added to them."""
    path = tmp_path / index.NAME
    for content, said in (
        (b'{"kind":"history","format_version":2}\n', "format version 1, found 2"),
        (b"name,verdict\n", "expected a history"),
        (b'{"kind":"history","format_version":1}\n{"kind":"run","run":1}\n', "line 2"),
        (b'{"kind":"history","format_version":1}\n{"kind":"verdicts"}\n', "found the kind 'verdicts'"),
        (b'{"kind":"history","format_version":1}\nnot json\n', "line 2: expected JSON"),
    ):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=said):
            index.read(path)
    path.write_bytes(b'{"kind":"history","format_version":2}\n')
    with pytest.raises(RecordError, match="found 2"):
        index.ignore(path, "a", "b")
    assert path.read_bytes() == b'{"kind":"history","format_version":2}\n'


def test_a_line_that_was_cut_off_is_repaired(tmp_path: Path) -> None:
    """A crash in the middle of a line loses that line only."""
    path = histories.written(tmp_path, histories.nights([0.0, 0.1]))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert len(index.read(path).runs) == 1
    index.add_runs(path, histories.nights([0.0, 0.1])[1:])
    assert path.read_bytes() == whole


def test_writers_do_not_mix_lines(tmp_path: Path) -> None:
    """Several processes, here threads, can add to the index at the same time."""
    entries = histories.nights([0.0] * 40)
    threads = [threading.Thread(target=index.add_runs, args=(tmp_path / index.NAME, entries[n::4])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.run for entry in entries] == [entry.run for entry in index.read(tmp_path / index.NAME).runs]


def test_changes_are_found_and_said() -> None:
    """A new failure, a recovery and a change of level each have one notice, with the run in which it was noticed."""
    entries = histories.nights(STEP)
    failed = dataclasses.replace(entries[30].scenarios[0], verdict="fail", reason="errors")
    entries[30] = dataclasses.replace(entries[30], scenarios=(failed,))
    unclear = dataclasses.replace(entries[31].scenarios[0], verdict="inconclusive")
    entries[31] = dataclasses.replace(entries[31], scenarios=(unclear,))
    past = history(entries)
    found = notices(past, scenario_trends(past))
    assert [LEVEL, RECOVERED, FAILED] == [one.kind for one in found]
    assert [(30, True), (32, False)] == [(one.position, one.worse) for one in found[:0:-1]]
    level = found[0]
    assert 60 <= level.position <= 64
    assert level.worse
    assert "latency_p90 in steady got worse from +0.5 % to +10" in level.text
    assert histories.run_name(60) in level.text


def test_ignored_runs_do_not_count() -> None:
    """An ignored run is no failure, no part of a trend and no flip."""
    entries = histories.nights([0.0] * 40)
    failed = dataclasses.replace(entries[35].scenarios[0], verdict="fail")
    entries[35] = dataclasses.replace(entries[35], scenarios=(failed,))
    reason = {histories.run_name(35): index.Ignored(reason="migration", at="")}
    for ignored, expected in (({}, 2), (reason, 0)):
        past = History(runs=tuple(entries), ignored=ignored)
        assert expected == len(notices(past, scenario_trends(past)))


def test_flaky_is_a_verdict_that_changes_without_the_code() -> None:
    """Three flips at one commit make a scenario flaky; flips between commits do not."""
    for commit, flips in (("abc", 9), ("", 0)):
        entries = [
            histories.entry(n, histories.summary(n, "test_a", (), verdict=("pass", "fail")[n % 2], commit=commit))
            for n in range(10)
        ]
        (trend,) = scenario_trends(history(entries))
        assert (trend.flips, trend.flaky) == (flips, flips > 0)


def test_ignore_needs_a_reason_and_can_be_taken_back(reports: Path, capsys) -> None:
    """The reason is on the page; --regard lets the run count again."""
    command = ["history", str(reports)]
    assert main([*command, "--ignore", "20261127-020000-aaaa"]) == 2
    assert main([*command, "--ignore", "nothing", "--reason", "x"]) == 2
    assert main([*command, "--ignore", "20261127-020000-aaaa", "--reason", "the database was migrated"]) == 0
    assert "the database was migrated" in (reports / "history" / "index.html").read_text()
    capsys.readouterr()
    assert main([*command, "--json", "--regard", "20261127-020000-aaaa"]) == 0
    assert json.loads(capsys.readouterr().out)["ignored"] == {}


def test_retention_removes_samples_first(tmp_path: Path, capsys) -> None:
    """Old finished bundles lose samples and logs; their analysis and report stay, and show says what is gone."""
    folder = run_pages.run_of(tmp_path / "20200101-020000-aaaa", Verdict.FAIL, code=1)
    mark = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**mark, "started": "2020-01-01T02:00:00+00:00"}))
    new = run_pages.run_of(tmp_path / "20261128-020000-bbbb", Verdict.PASS)
    old = folder / "test_0-fail"
    (old / "logs").mkdir()
    (old / "logs" / "a.log").write_text("x" * 1000)
    secret = tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "samples.parquet").write_text("not ours")
    (old / "load").symlink_to(secret)
    assert main(["history", str(tmp_path), "--keep-samples", "30"]) == 0
    assert "removed samples of 1 bundle," in capsys.readouterr().out
    assert not (old / "samples.parquet").exists()
    assert not (old / "logs").exists()
    assert (secret / "samples.parquet").exists()
    assert (new / "test_0-pass" / "samples.parquet").exists()
    assert main(["show", str(old)]) == 1
    assert "the samples were removed to save space" in capsys.readouterr().out
    assert main(["judge", str(old)]) == 12
    assert "removed to save space" in capsys.readouterr().err
    with pytest.raises(RecordError, match="removed to save space"):
        bundle.read_bundle(old)
    assert main(["history", str(tmp_path), "--keep-samples", "30"]) == 0
    assert "removed samples of 0 bundles" in capsys.readouterr().out
    assert main(["history", str(tmp_path), "--keep-samples", "0"]) == 2


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it was sent, or refuses it."""

    received: ClassVar[list[dict]] = []
    status = 200

    def do_POST(self) -> None:
        """Keep the document."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).status)
        self.end_headers()
        if type(self).status == 200:
            type(self).received.append(json.loads(body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook():
    """A webhook on loopback."""
    Hook.received, Hook.status = [], 200
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/SECRET"
    server.shutdown()
    server.server_close()


def test_owners_are_told_once(tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """The newest run's changes the first time, then each change once for each channel; a failed channel is told later."""
    entries = [
        histories.entry(n, histories.summary(n, "test_a", (), verdict=verdict))
        for n, verdict in enumerate(["fail", "pass", "fail"])
    ]
    path = histories.written(tmp_path, entries)
    monkeypatch.setenv("HOOK", hook)
    command = ["history", str(tmp_path), "--webhook", "env:HOOK", "--comment", str(tmp_path / "comment.md")]
    Hook.status = 500
    assert main(command) == 12
    assert "SECRET" not in capsys.readouterr().err
    Hook.status = 200
    assert main(command) == main(command) == 0
    (told,) = Hook.received
    require_fit(told, "harness.notice/1")
    assert [("new failure", histories.run_name(2))] == [(one["kind"], one["run"]) for one in told["changes"]]
    assert "new failure" in (tmp_path / "comment.md").read_text()
    (tmp_path / "comment.md").unlink()
    index.add_runs(path, [histories.entry(3, histories.summary(3, "test_a", (), verdict="pass"))])
    assert main(command) == 0
    assert [one["kind"] for one in Hook.received[1]["changes"]] == ["recovered"]
    assert (tmp_path / "comment.md").read_text().startswith("<!-- canary-harness: history -->")
    assert b"SECRET" not in path.read_bytes()


def test_mail_needs_all_its_options_and_a_server(tmp_path: Path, capsys) -> None:
    """Missing options are wrong usage; a server that does not answer is trouble, and the pages are there anyway."""
    histories.written(tmp_path, [histories.entry(0, histories.summary(0, "test_a", (), verdict="fail"))])
    command = ["history", str(tmp_path), "--mail-to", "me@example.com"]
    assert main(command) == 2
    assert main([*command, "--mail-from", "it@example.com", "--smtp", "127.0.0.1:1"]) == 12
    assert "the mail server 127.0.0.1:1" in capsys.readouterr().err
    assert main([*command, "--mail-from", "it@example.com\nBcc: all@example.com", "--smtp", "127.0.0.1:1"]) == 2
    assert (tmp_path / "history" / "index.html").is_file()


class MailServer(socketserver.StreamRequestHandler):
    """Enough of SMTP to take a message."""

    received: ClassVar[list[str]] = []

    def handle(self) -> None:
        """Answer each command, and keep what follows DATA."""
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                type(self).received.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def test_a_change_is_mailed_once(tmp_path: Path) -> None:
    """The message names the run and the scenario; a second build of the same history sends none."""
    histories.written(tmp_path, [histories.entry(0, histories.summary(0, "test_a", (), verdict="fail"))])
    MailServer.received = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = ["history", str(tmp_path), "--mail-to", "owner@example.com", "--mail-from", "it@example.com"]
        command += ["--smtp", f"127.0.0.1:{server.server_address[1]}"]
        assert main(command) == main(command) == 0
        server.shutdown()
    (message,) = MailServer.received
    assert f"Subject: harness: 1 change in {histories.run_name(0)}" in message
    assert "To: owner@example.com" in message
    assert "test_a: new failure" in message


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of 3,000 runs of three scenarios, made by a generator."""
    folder = tmp_path_factory.mktemp("history")
    histories.written(folder, histories.years(3000))
    before = time.process_time()
    assert main(["history", str(folder), "--out", str(folder / "site")]) == 0
    assert time.process_time() - before < 10
    return folder / "site" / "index.html"


@pytest.mark.parametrize("width", [380, 1600])
def test_three_thousand_runs_open_in_a_second(page: Page, site: Path, width: int) -> None:
    """The overview is small, opens at once, fits the window, and asks for nothing."""
    assert site.stat().st_size < 1_000_000
    show(page, site, width=width)
    assert complaints(page) == []
    assert [site.as_uri()] == fetched(page)
    assert page.evaluate(WIDE) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('table.heat tr').length") == 3 * 9
    assert opens_within(page, 1000)


@pytest.mark.parametrize("width", [380, 1600])
def test_the_first_nights_are_seen_at_once(page: Page, tmp_path: Path, width: int) -> None:
    """The heatmap is as wide as its runs: no cell and no beginning of a name is scrolled away."""
    entries = [histories.entry(n, histories.summary(n, "test_a_rather_long_name_of_a_scenario", ())) for n in range(5)]
    histories.written(tmp_path, entries)
    assert main(["history", str(tmp_path)]) == 0
    show(page, tmp_path / "history" / "index.html", width=width)
    box = page.evaluate(
        "(b => [b.left, b.right])(document.querySelector('table.heat path.cell.pass').getBoundingClientRect())"
    )
    name = page.evaluate("document.querySelector('table.heat th a').getBoundingClientRect().left")
    scroll = page.evaluate(
        "(b => [b.left, b.right])(document.querySelector('table.heat').parentElement.getBoundingClientRect())"
    )
    assert scroll[0] <= name < box[0] < box[1] <= scroll[1]


def test_heatmap_moves_reads_and_searches(page: Page, site: Path) -> None:
    """Older runs come into view, pointing reads a cell, the search keeps a scenario, and objectives fold."""
    show(page, site, width=1280)
    drawn = "document.querySelector('table.heat path.cell.pass').getAttribute('d').length"
    assert page.evaluate(drawn) > 500
    page.evaluate("document.querySelector('[data-move=\"-1\"]').click()")
    assert "runs 2911 to 2970 of 3000" in page.evaluate("document.querySelector('[data-heat] output').textContent")
    page.locator("table.heat svg.cells").first.hover(position={"x": 7, "y": 10})
    assert histories.run_name(2910) in page.evaluate("document.getElementById('heat-readout').textContent")
    rows = "[...document.querySelectorAll('table.heat tr')].filter(r => r.offsetHeight).length"
    page.evaluate(
        "const i = document.querySelector('input[type=search]'); i.value = 'scenario_1'; i.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert page.evaluate(rows) == 9
    page.evaluate("document.querySelector('[data-unfold]').click()")
    assert page.evaluate(rows) == 1


def test_a_scenarios_page_shows_its_trends(page: Page, site: Path) -> None:
    """Each objective has a chart, and the change of level is said at the top and marked in the chart."""
    name = "scenarios/test_shop.py::test_scenario_0"
    show(page, site.with_name(page_name(name)), width=1280)
    assert complaints(page) == []
    assert page.evaluate("document.querySelectorAll('svg.trend').length") == 8
    assert "latency_p90 in steady got worse from" in page.evaluate("document.querySelector('.notices li').textContent")
    past = history(histories.nights(STEP))
    (trend,) = scenario_trends(past)
    assert 'class="change fail"' in trend_chart(trend.trends[0])


def test_hostile_names_are_text(page: Page, tmp_path: Path) -> None:
    """Names of runs, scenarios and objectives, commits, reasons and troubles run no script and build no element."""
    objective = dataclasses.replace(
        histories.judged("latency_p90", "steady", 0.1),
        name=HOSTILE,
        phase=HOSTILE,
        shown=HOSTILE,
        unit=HOSTILE,
        relative=False,
    )
    one = histories.summary(0, HOSTILE, (objective,), verdict="fail", commit=HOSTILE)
    one = dataclasses.replace(one, test=HOSTILE, folder=HOSTILE, about=HOSTILE, reason=HOSTILE)
    entry = dataclasses.replace(histories.entry(0, one), run=HOSTILE)
    past = History(runs=(entry,), ignored={HOSTILE: index.Ignored(reason=HOSTILE, at=HOSTILE)})
    trends = scenario_trends(past)
    found = notices(History(runs=(entry,)), trends)
    write_site(past, trends, found, tmp_path, runs=tmp_path)
    for name in ("index.html", page_name(HOSTILE)):
        show(page, tmp_path / name)
        assert complaints(page) == []
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert "\x1b" not in (tmp_path / name).read_text()


def test_one_run_is_no_plural(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the command nor the page says "1 runs"."""
    histories.written(tmp_path, [histories.entry(0, histories.summary(0, "test_a", ()))])
    assert main(["history", str(tmp_path)]) == 0
    assert "1 run of 1 scenario; 0 ignored, 0 flaky\n" in capsys.readouterr().out
    assert "1 runs" not in (tmp_path / "history" / "index.html").read_text()


def test_empty_history_has_a_page(tmp_path: Path) -> None:
    """A folder without runs gives a page that says so; a folder that does not exist is wrong usage."""
    assert main(["history", str(tmp_path)]) == 0
    assert "No run was found." in (tmp_path / "history" / "index.html").read_text()
    assert main(["history", str(tmp_path / "nothing")]) == 2


def test_links_lead_to_published_runs(tmp_path: Path) -> None:
    """Links to runs are relative to the pages, or begin with the address at which the runs are published."""
    past = history(histories.nights([0.0]))
    trends = scenario_trends(past)
    write_site(past, trends, (), tmp_path / "site", runs=tmp_path / "reports")
    assert "../reports/20240101-000000-0000/index.html" in (tmp_path / "site" / "index.html").read_text()
    write_site(past, trends, (), tmp_path / "site", runs=tmp_path, runs_url="https://ci.example/artifacts/")
    assert (
        "https://ci.example/artifacts/20240101-000000-0000/index.html" in (tmp_path / "site" / "index.html").read_text()
    )
