"""The pages in a real browser: they change by themselves, take decisions, and do no harm with hostile content."""

from dataclasses import replace

import accessibility
import printing
import pytest
import run_pages
import served
from browsing import complaints, fetched, look, show
from held import held_release
from playwright.sync_api import expect

from harness.live_state import LiveFile
from harness.model.record import Event
from harness.model.verdict import Verdict
from harness.release.store import Store
from harness.run_folder import begin_run
from harness.runner.progress import Progress

PROGRESS = Progress(
    elapsed_s=3.0, total_s=40.0, phase="steady", rate_rps=99.0, failed=(0, 2), requests=(50, 50), p50_s=(0.01, 0.02)
)
STUB = "import os, sys\nif sys.orig_argv[3:4] == ['release']:\n    os._exit(0)\n"

PATHS = ("/", "/jobs", "/runs/20261128-080000-cccc", "/releases/20261128-090000-abcd")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with two runs and a release that is held."""
    folder = tmp_path_factory.mktemp("served")
    served.project(folder)
    run_pages.run_of(folder / "reports/20261128-090000-aaaa", Verdict.FAIL, Verdict.PASS, code=1)
    run_pages.write(folder / "reports/20261128-080000-cccc/hostile", Verdict.FAIL, test=run_pages.HOSTILE)
    run_pages.write(folder / "reports/20261128-080000-cccc/long", Verdict.FAIL, test=f"test_a.py::test_{'long_' * 30}")
    held_release(folder, reason=run_pages.HOSTILE)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    """A running server."""
    with served.server(folder, stub=STUB) as found:
        yield found


def test_a_run_that_goes_on_is_seen_without_a_reload(page, running, folder):
    """Phase and events appear while the page is open, and the favicon follows."""
    scenario = folder / "reports/20261128-100000-bbbb/test_live"
    begin_run(scenario.parent)
    with LiveFile(scenario, "scenarios/test_a.py::test_live[1 %]", target="local", tell=lambda _: None) as live:
        live(PROGRESS)
        live(Event(at_s=0.0, kind="note", text="first"))
        show(page, f"{running.pages}/runs/20261128-100000-bbbb")
        expect(page.locator("body")).to_contain_text("first")
        assert "test_live[1 %]" in page.evaluate("document.querySelector('section.card h2').innerText")
        live(replace(PROGRESS, phase="fault", elapsed_s=20.0))
        live(Event(at_s=20.0, kind="fault", text="delay is live"))
        expect(page.locator("body")).to_contain_text("delay is live")
        expect(page.locator("body")).to_contain_text("20 of 40 s")
        expect(page.locator("body")).to_contain_text("No fault is in force.")
        log = scenario / "logs" / "services" / "reviews-v3.log"
        log.parent.mkdir(parents=True)
        log.write_text("\n".join(f"line {number}" for number in range(20)))
        live(Event(at_s=21.0, kind="fault", text="delay(ratings): live", fields={"faults_live": 1}))
        live(replace(PROGRESS, phase="fault", elapsed_s=24.0, requests=(90, 70)))
        live(Event(at_s=24.0, kind="note", text="now"))
        expect(page.locator("body")).to_contain_text("Fault in force: delay(ratings), for 3 s")
        expect(page.locator("pre.log")).to_have_text("\n".join(f"line {number}" for number in range(14, 20)))
        expect(page.locator("section.card table").first).to_contain_text("10 /s")
        assert page.evaluate("document.querySelector('link[rel=icon]').href.includes('2a6fb8')")
    assert [] == complaints(page)
    assert all(url.startswith((running.pages, "data:")) for url in fetched(page))


def test_a_person_approves_a_hold_in_the_browser(page, running, folder):
    """The token is asked for once, and the decision is recorded."""
    release = folder / "reports/releases/20261128-090000-abcd"
    show(page, f"{running.pages}/releases/{release.name}")
    expect(page.locator("#content")).to_contain_text("Users: ")
    page.fill("form.decide [name=by]", "Ada")
    page.fill("form.decide [name=reason]", "a cold cache")
    page.click("form.decide button[value=true]")
    expect(page.locator("#token-dialog")).to_be_visible()
    page.fill("#token-input", served.PAGES)
    page.click("#token-dialog button[value=use]")
    expect(page.locator("#answer")).to_have_text("done")
    found = Store(release).decision(1)
    assert ("approve", "Ada", "a cold cache") == (found.kind.value, found.by, found.reason)


def test_what_a_person_typed_stays_when_the_page_changes(page, running, folder):
    """Also when the fields have lost the focus; a wrong token changes nothing and takes nothing away."""
    release = folder / "reports/releases/20261128-090000-abcd"
    show(page, f"{running.pages}/releases/{release.name}")
    expect(page.locator("#connection")).to_have_text("live")
    before = Store(release).decision(1)
    page.fill("form.decide [name=by]", "Ada")
    page.evaluate("document.activeElement.blur(); document.querySelector('#content h1').remove()")
    begin_run(folder / "reports/20261128-110000-dddd")
    expect(page.locator("#content h1")).to_be_visible()
    assert "Ada" == page.input_value("form.decide [name=by]")
    page.fill("form.decide [name=reason]", "a cold cache")
    page.click("form.decide button[value=false]")
    page.fill("#token-input", "wrong")
    page.click("#token-dialog button[value=use]")
    expect(page.locator("#answer")).to_have_text("This is not the token of these pages. Nothing was changed.")
    assert page.evaluate("(b => b.bottom <= innerHeight)(document.getElementById('answer').getBoundingClientRect())")
    assert ("Ada", "a cold cache") == tuple(page.input_value(f"form.decide [name={name}]") for name in ("by", "reason"))
    assert before == Store(release).decision(1)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("width", [380, 1600])
def test_pages_fit_and_hostile_names_are_text(page, running, path, width):
    """Nothing in a name runs, nothing is wider than a phone, nothing is fetched from elsewhere, and all can be printed."""
    show(page, f"{running.pages}{path}", width=width, dark=width == 380)
    expect(page.locator("#connection")).to_have_text("live")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    hidden = "[...document.querySelectorAll('#content table')].filter(one => one.getBoundingClientRect().width < 100)"
    assert 0 == page.evaluate(f"{hidden}.length")
    assert 0 == page.evaluate("document.querySelectorAll('#content script, #content img').length")
    assert [] == complaints(page)
    look(page, width=printing.A4)
    assert [] == printing.faults(page)


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_in_live_pages(page, running, path):
    """Contrast, names, roles, headings and landmarks are in order at 380 and 1600 pixels, in light and dark."""
    show(page, f"{running.pages}{path}")
    expect(page.locator("#connection")).to_have_text("live")
    assert [] == list(accessibility.violations(page))


def test_a_report_cannot_reach_the_pages(page, running):
    """The report runs in a sandbox without an origin, so it can neither read pages nor send decisions."""
    show(page, f"{running.pages}/runs/20261128-090000-aaaa/test_0-fail/report")
    assert "null" == page.evaluate("window.origin")
    assert "blocked" == page.evaluate("fetch('/').then(() => 'read', () => 'blocked')")
