"""What a reader finds in the report of one scenario: the banner, the next step, the cursor, the zoom and the logs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import report_records as records
from browsing import complaints, opens_within, show
from playwright.sync_api import Page
from run_pages import HOSTILE

from harness.model.phase import Phase, PhaseKind
from harness.model.record import Record
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Analysis, Proof, Verdict
from harness.report import page as report
from harness.report.comparison import comparison, deciding
from harness.report.logs import excerpts, worst_moment
from harness.report.page import probable_cause

BANNER = "document.querySelector('.banner').innerText"
CHART = "[data-cursor]"
TICKS = "[...document.querySelectorAll('svg.timeline.wide .time-ticks text')].map(t => t.textContent)"
CURSORS = "[...document.querySelectorAll('svg.timed')].filter(s => s.getBoundingClientRect().width).map(s => s.querySelector('line.cursor').style.visibility)"


def opened(page: Page, folder: Path, record: Record, analysis: Analysis, **window: object) -> Page:
    """Render the report of a run and open it."""
    file = folder / "report.html"
    file.write_text(report.render(record, analysis, folder=folder), encoding="utf-8")
    return show(page, file, **window)


def told(verdict: Verdict) -> tuple[Record, Analysis]:
    """A run whose record says all that a banner can show."""
    record, analysis = records.run(verdict)
    manifest = {
        **record.manifest,
        "about": "reviews answers without stars when ratings is slow",
        "effects": {records.FAULT: "30 % of the requests to ratings wait 2 s"},
        "arms": {
            "baseline": {"image": "shop/reviews:1.3"},
            "canary": {"image": "shop/reviews:1.4", "commit": "9f8e7d"},
        },
    }
    config = {**record.config, "baseline": "v2", "canary": "v3"}
    counted = {"baseline": {"10.0.0.1:9080": 5000, "10.0.0.2:9080": 5230}, "canary": {"10.0.0.7:9080": 4500}}
    return replace(record, manifest=manifest, config=config, endpoint_requests=counted), analysis


def test_banner_says_what_was_compared(page: Page, tmp_path: Path) -> None:
    """Versions, images and commits of both arms, the docstring, and the fault in words."""
    opened(page, tmp_path, *told(Verdict.FAIL))
    text = page.evaluate(BANNER)
    for said in (
        "v2 · image shop/reviews:1.3", "v3 · image shop/reviews:1.4 · commit 9f8e7d",
        "reviews answers without stars when ratings is slow", "Fault: 30 % of the requests to ratings wait 2 s.",
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize(
    ("verdict", "said", "links"),
    [
        (Verdict.PASS, "", []),
        (Verdict.FAIL, "harness replay ", ["#requests", "#mesh"]),
        (Verdict.FAIL, "Run the scenario again with the same seed", ["#requests", "#mesh"]),
        (Verdict.MARGINAL, "a person decides", ["#intervals"]),
        (Verdict.INCONCLUSIVE, "look for another route to the host: harness plan", ["#proofs"]),
    ],
)
def test_banner_says_what_to_do_next(page, tmp_path, verdict, said, links) -> None:
    """Every verdict but a pass has a next step, and its links lead to sections of the page."""
    opened(page, tmp_path, *told(verdict))
    found = page.evaluate("[...document.querySelectorAll('.steps a')].map(a => a.getAttribute('href'))")
    assert found == links
    assert all(page.evaluate(f"document.getElementById('{link[1:]}') !== null") for link in links)
    assert (said in page.evaluate(BANNER)) if said else ("What to do next" not in page.evaluate(BANNER))


def test_a_run_that_only_lacks_requests_says_how_many(page: Page, tmp_path: Path) -> None:
    """When every proof held, the one change that settles the run is what its objective is missing."""
    record, analysis = told(Verdict.INCONCLUSIVE)
    opened(page, tmp_path, record, replace(analysis, proofs=tuple(p for p in analysis.proofs if p.held)))
    assert "One change settles it: 185 of 1,900 canary requests; 84 s more" in page.evaluate(BANNER)


def test_a_hold_shows_its_command(page: Page, tmp_path: Path) -> None:
    """A marginal run that belongs to a hold shows the command that approves it, with a copy button."""
    record, analysis = told(Verdict.MARGINAL)
    command = "harness release approve 4711"
    opened(page, tmp_path, replace(record, manifest={**record.manifest, "approve": command}), analysis)
    assert command in page.evaluate("[...document.querySelectorAll('.steps [data-copy]')].map(b => b.dataset.copy)")


def test_probable_cause_is_shown_where_there_is_one() -> None:
    """Analyses that name no cause show none."""

    @dataclass(frozen=True)
    class Explained:
        probable_cause: str = "the hop from reviews to ratings"

    assert probable_cause(Explained()) == "the hop from reviews to ratings"
    assert probable_cause(records.run(Verdict.PASS)[1]) == ""


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        (Verdict.FAIL, "error_rate, canary minus baseline, pp (decided in fault)"),
        (Verdict.MARGINAL, "latency_p50, canary compared with baseline, % (decided in recovery)"),
    ],
)
def test_comparison_follows_the_objective_that_decided(page, tmp_path, verdict, title) -> None:
    """The chart compares the indicator of the verdict and draws its tolerance."""
    opened(page, tmp_path, *told(verdict))
    titles = page.evaluate("[...document.querySelectorAll('svg.timeline.wide .panel-title')].map(t => t.textContent)")
    assert title in titles
    assert page.evaluate("document.querySelectorAll('svg.timeline.wide .plot line.limit').length") == 1


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.MARGINAL])
def test_titles_of_charts_do_not_cross_their_legends(page: Page, tmp_path: Path, verdict: Verdict) -> None:
    """A phone has room for a short title only."""
    opened(page, tmp_path, *told(verdict), width=380)
    crossed = page.evaluate("""() => {
      const texts = [...document.querySelectorAll("svg.timeline.narrow :is(.panel-title, .legend)")];
      const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()]);
      return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) =>
        a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right).map(([other]) => [one, other]));
    }""")
    assert [] == crossed


def test_comparison_shows_the_records_numbers() -> None:
    """Under the fault the canary's error rate is some 4.5 points higher, before it not at all."""
    record, analysis = records.run(Verdict.FAIL)
    seen = report._scene(record, analysis, "", whole=False).seen
    found = comparison(record, analysis, seen)
    fault = (found.at_s > 71) & (found.at_s < 119)
    assert np.nanmean(found.values[fault]) == pytest.approx(4.5, abs=1.0)
    assert abs(np.nanmean(found.values[found.at_s < 70])) < 0.5
    assert found.tolerance == pytest.approx(0.5)
    assert deciding(analysis).objective.name == "error_rate"


def test_intervals_beyond_the_scale_show_their_numbers(page: Page, tmp_path: Path) -> None:
    """An interval that is far off the scale is an arrow with its numbers, in tolerances."""
    opened(page, tmp_path, *told(Verdict.FAIL))
    texts = page.evaluate("[...document.querySelectorAll('svg.forest.wide text.row-number')].map(t => t.textContent)")
    assert "8.91 [8.56, 9.26] tolerances" in texts


@pytest.mark.parametrize("width", [380, 1600])
def test_numbers_beyond_the_scale_cross_no_line(page: Page, tmp_path: Path, width: int) -> None:
    """They are shortened where the tolerance leaves little room; better than the scale shows, they keep right of it."""
    record, analysis = told(Verdict.FAIL)
    worse = next(one for one in analysis.findings if one.objective.name == "error_rate" and one.phase == "fault")
    better = replace(worse, phase="steady", difference=-1.5, low=-12.345, high=-1.0)
    opened(page, tmp_path, record, replace(analysis, findings=(worse, better)), width=width)
    crossed = page.evaluate("""() => {
      const svg = [...document.querySelectorAll("svg.forest")].find(one => one.getBoundingClientRect().width);
      const lines = [...svg.querySelectorAll("line.zero, line.limit")].map(one => one.getBoundingClientRect().x);
      const numbers = [...svg.querySelectorAll("text.row-number.fail")];
      return numbers.map(one => [one.textContent, lines.filter(x => {
        const box = one.getBoundingClientRect();
        return box.left < x && x < box.right;
      }).length]);
    }""")
    assert 2 == len(crossed)
    assert [0, 0] == [number for _, number in crossed], crossed


def test_requests_by_instance(page: Page, tmp_path: Path) -> None:
    """Each endpoint of both arms is a row with its requests and its share of the arm."""
    opened(page, tmp_path, *told(Verdict.FAIL))
    rows = page.evaluate(
        "[...document.querySelectorAll('[aria-label=\"Requests by instance\"] tbody tr')].map(r => r.innerText.split(/\\s*\\t\\s*/))"
    )
    assert [
        ["10.0.0.2:9080", "baseline", "5,230", "51.1 %"],
        ["10.0.0.1:9080", "baseline", "5,000", "48.9 %"],
        ["10.0.0.7:9080", "canary", "4,500", "100 %"],
    ] == rows  # fmt: skip


def test_dragging_zooms_every_chart(page: Page, tmp_path: Path) -> None:
    """A drag over a stretch of time zooms the timeline and the metrics; a button shows the whole run again."""
    opened(page, tmp_path, *told(Verdict.FAIL), width=1280, height=1400)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelector('svg.timeline.wide').scrollIntoView({block: 'center'})")
    box = page.evaluate(
        "(b => [b.x, b.y, b.width, b.height])(document.querySelector('svg.timeline.wide').getBoundingClientRect())"
    )
    y = box[1] + box[3] / 2
    page.mouse.move(box[0] + box[2] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box[0] + box[2] * 0.6, y, steps=2)
    page.mouse.up()
    zoomed = [float(text.split()[0]) for text in page.evaluate(TICKS)]
    assert 55 < min(zoomed) < max(zoomed) < 95
    views = page.evaluate(
        "[...document.querySelectorAll('svg.timed .plot')].map(p => Number(p.getAttribute('viewBox').split(' ')[2]) / Number(p.getAttribute('width')))"
    )
    assert max(views) < 0.3
    names = "[...document.querySelectorAll('svg.timeline.wide .phase-name')].map(t => t.textContent).filter(Boolean)"
    assert page.evaluate(names) == ["steady", "fault"]
    assert page.evaluate("document.querySelector('.selection') === null")
    page.evaluate("document.querySelector('[data-unzoom]').click()")
    assert page.evaluate(TICKS)[-1] == "140 s"
    assert page.evaluate("document.querySelector('[data-unzoom]').hidden")
    assert complaints(page) == []


def test_keys_zoom_and_move_one_cursor(page: Page, tmp_path: Path) -> None:
    """Plus zooms around the cursor, Escape shows the whole run, and the cursor is in all charts over time."""
    opened(page, tmp_path, *told(Verdict.FAIL))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for key in ("ArrowRight", "+", "+"):
        page.locator(CHART).first.press(key)
    assert (
        page.evaluate("Number(document.querySelector('svg.timeline.wide .plot').getAttribute('viewBox').split(' ')[2])")
        < 1022 / 3.9
    )
    assert set(page.evaluate(CURSORS)) == {"visible"}
    assert len(page.evaluate(CURSORS)) == 2
    assert "cores" in page.evaluate("document.querySelector('[data-readings] .reading').textContent")
    page.locator(CHART).first.press("Escape")
    assert page.evaluate(TICKS)[0] == "0 s"


def test_two_hours_stay_small_and_open_quickly(page: Page, tmp_path: Path) -> None:
    """A run of 2 h at 50 requests per second is a page of less than 1 MB that opens in less than a second."""
    opened(page, tmp_path, *two_hours())
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert opens_within(page, 1000)


def two_hours() -> tuple[Record, Analysis]:
    """A record of two hours with a metric every five seconds."""
    record, analysis = records.run(Verdict.FAIL)
    n, random = 360_000, np.random.default_rng(1)
    samples = Samples(
        due_s=np.arange(n) / 50, latency_s=random.lognormal(-3.5, 0.5, n), late_s=np.zeros(n),
        status=np.full(n, 200, np.int16), arm=(random.random(n) < 0.5).astype(np.int8), operation=np.zeros(n, np.int16),
        error=np.zeros(n, np.int16), size=np.full(n, 300, np.int32), operations=("/reviews",), errors=("",),
    )  # fmt: skip
    at_s = tuple(float(t) for t in range(0, 7200, 5))
    series = tuple(replace(one, at_s=at_s, values=tuple(random.random(len(at_s)).tolist())) for one in record.series)
    phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=7200.0),)
    return replace(record, samples=samples, series=series, phases=phases), analysis


def logged(record: Record, folder: Path, lines: list[str]) -> Record:
    """Write a log of the canary, v3, into the folder of a bundle."""
    log = folder / "logs" / "services" / "reviews-v3.log"
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return replace(record, config={**record.config, "canary": "v3"})


def test_log_shows_the_worst_moment(page: Page, tmp_path: Path) -> None:
    """The excerpt surrounds the canary's first failed request, marks that moment, and links to the whole log."""
    record, analysis = records.run(Verdict.FAIL)
    moment = worst_moment(record)
    failed = (record.samples.arm == CANARY) & record.samples.failed & (record.samples.due_s > 70.4)
    assert moment.at_s == record.samples.due_s[failed].min()
    lines = [f"{datetime.fromtimestamp(record.load.started_at + t, UTC).isoformat()} second {t}" for t in range(150)]
    record = logged(record, tmp_path, [*lines, HOSTILE])
    opened(page, tmp_path, record, analysis)
    marked = page.evaluate("document.querySelector('pre.log .hunk').textContent")
    assert abs(int(marked.rsplit(" ", 1)[1]) - moment.at_s) <= 1
    assert (
        page.evaluate("document.querySelector('details.logs a').getAttribute('href')") == "logs/services/reviews-v3.log"
    )
    assert "#logs" in page.evaluate("[...document.querySelectorAll('.steps a')].map(a => a.getAttribute('href'))")


def test_log_without_times_shows_its_end(tmp_path: Path) -> None:
    """The last lines are shown, without escape codes and secrets, and said to be the last ones."""
    record, _ = records.run(Verdict.FAIL)
    record = logged(record, tmp_path, [f"line {n}" for n in range(500)] + ["\x1b[31mhttp://me:hunter2@db/"])
    (found,) = excerpts(record, tmp_path, worst_moment(record))
    assert len(found.lines) == 40
    assert found.lines[-2] == "line 499"
    assert "hunter2" not in found.lines[-1]
    assert "\x1b" not in found.lines[-1]
    assert "its last lines" in found.about
    assert excerpts(record, tmp_path / "elsewhere", None) == ()


def test_lines_of_a_log_have_no_gaps(page: Page, tmp_path: Path) -> None:
    """Each line begins right below the one before."""
    record, analysis = records.run(Verdict.FAIL)
    record = logged(record, tmp_path, ["one", "two", "three"])
    opened(page, tmp_path, record, analysis)
    boxes = "[...document.querySelectorAll('pre.log span')].slice(0, 3).map(s => s.getBoundingClientRect())"
    gaps = page.evaluate(f"(b => [b[1].top - b[0].bottom, b[2].top - b[1].bottom])({boxes})")
    assert [0, 0] == [round(gap) for gap in gaps]


def test_a_proof_that_the_reason_quotes_is_not_quoted_again(tmp_path: Path) -> None:
    """The next step says what to do about it; further proofs that failed are quoted."""
    record, analysis = told(Verdict.INCONCLUSIVE)
    proofs = (
        Proof(name="load on time", held=False, expected="within 10 ms", observed="21 ms", remedy="lower the rate"),
        Proof(name="split", held=False, expected="half", observed="a third", remedy="look"),
    )
    quoting = replace(analysis, proofs=proofs, reason="proof failed: load on time: expected within 10 ms, found 21 ms")
    text = report.render(record, quoting)
    assert "Proof failed, load on time" not in text
    assert "First make this proof hold, load on time: lower the rate" in text
    assert "<strong>Proof failed, split:</strong> expected half, observed a third; look</p>" in text
    assert "Proof failed, load on time" in report.render(record, replace(quoting, reason="another"))


def test_an_empty_log_is_said_to_be_empty(tmp_path: Path) -> None:
    """A reader learns that the canary wrote nothing, and no step leads there."""
    record, analysis = records.run(Verdict.FAIL)
    record = logged(record, tmp_path, [])
    (tmp_path / "logs" / "services" / "reviews-v3.log").write_text("")
    text = report.render(record, analysis, folder=tmp_path)
    assert "the canary wrote nothing" in text
    assert "Read what the canary wrote" not in text


def test_hostile_banner_is_text(page: Page, tmp_path: Path) -> None:
    """Docstrings, faults, versions, endpoints, metrics and log lines run no script and build no element."""
    record, analysis = told(Verdict.FAIL)
    manifest = {
        **record.manifest, "about": HOSTILE, "effects": {records.FAULT: HOSTILE}, "again": HOSTILE,
        "arms": {"canary": {"image": HOSTILE}}, "approve": HOSTILE,
    }  # fmt: skip
    record = replace(
        record, manifest=manifest, endpoint_requests={"canary": {HOSTILE: 1}},
        series=tuple(replace(one, name=HOSTILE, unit=HOSTILE, source=HOSTILE) for one in record.series),
        phases=tuple(replace(phase, name=HOSTILE, faults=(HOSTILE,)) for phase in record.phases),
    )  # fmt: skip
    record = logged(record, tmp_path, [HOSTILE])
    opened(page, tmp_path, record, analysis)
    for key in ("ArrowRight", "+"):
        page.locator(CHART).first.press(key)
    assert complaints(page) == []
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
