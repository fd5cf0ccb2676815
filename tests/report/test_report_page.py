"""The HTML report in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import report_records as records
from browsing import complaints, fetched, look, show
from playwright.sync_api import Page, expect

from harness.model.phase import Phase, PhaseKind
from harness.model.record import Record
from harness.model.samples import no_samples
from harness.model.verdict import Analysis, Estimate, Verdict
from harness.report import page as report

OVERFLOWING = """
[...document.querySelectorAll(".harness *")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 1 && !e.closest("svg") && !e.closest("pre") && !e.closest(".hidden-text")
      && !e.closest("thead");
}).map(e => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`).slice(0, 5)
"""
ROWS = """
[...document.querySelectorAll("tbody.finding")].map(body => Object.fromEntries(
  [...body.rows[0].cells].map(cell => [cell.dataset.label || "more", cell.textContent.replaceAll("\\u00a0", " ").trim()])))
"""


def written(folder: Path, record: Record, analysis: Analysis) -> Path:
    """The report as a file."""
    file = folder / "report.html"
    file.write_text(report.render(record, analysis), encoding="utf-8")
    return file


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
def test_page_opens_clean(page: Page, tmp_path: Path, verdict: Verdict) -> None:
    """Each verdict's page opens without console messages, makes no requests, and fits windows of any width."""
    file = written(tmp_path, *records.run(verdict))
    show(page, file)
    assert page.evaluate("document.querySelector('.verdict').textContent").strip() == verdict.upper()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (1280, 820, 390):
        look(page, width=width)
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints(page) == []
    assert fetched(page) == [file.as_uri()]


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
def test_page_shows_the_records_numbers(page: Page, tmp_path: Path, verdict: Verdict) -> None:
    """Every row shows its finding's values, interval, request counts and verdict, rounded and with their unit."""
    record, analysis = records.run(verdict)
    show(page, written(tmp_path, record, analysis))
    rows = page.evaluate(ROWS)
    assert len(analysis.findings) == len(rows)
    unseen = list(analysis.findings)
    for row in rows:
        name, phase = row["SLI"].split()[0], row["Phase"]
        limit = row["Tolerance"].startswith("<")
        finding = next(f for f in unseen if (f.objective.name, f.phase, f.margin is None) == (name, phase, limit))
        unseen.remove(finding)
        assert row["Verdict"] == finding.verdict.upper()
        for arm in ("Baseline", "Canary"):
            shown, n = row[arm].split(" n ")
            estimate = getattr(finding, arm.lower())
            assert int(n.replace(",", "")) == estimate.n
            assert in_si(shown) == pytest.approx(estimate.value, rel=0.006, abs=1e-6)
        if finding.difference is None:
            assert row["Difference"] == "not compared"
            continue
        middle, low, high, unit, confidence = read_interval(row["Difference"])
        scale = 100.0 if unit in ("%", "pp") else 1.0
        half = (finding.high - finding.low) * scale / 2
        expected = (finding.difference * scale, finding.low * scale, finding.high * scale)
        assert (middle, low, high) == pytest.approx(expected, abs=half / 10)
        assert confidence == finding.confidence * 100


def test_page_names_the_run(page: Page, tmp_path: Path) -> None:
    """The banner has the verdict, the reason, the score with its thresholds, seed, commit and all commands."""
    record, analysis = records.run(Verdict.FAIL)
    show(page, written(tmp_path, record, analysis))
    banner = page.evaluate("document.querySelector('.banner').innerText")
    for text in (analysis.reason, "slow-ratings", "3cff1c8a9b6d", "42", "2m30s", "reviews", "15,000"):
        assert text in banner
    assert page.evaluate("document.querySelector('.score-number .number').textContent") == "0"
    assert "marginal from 75, pass from 95" in page.evaluate(
        "document.querySelector('svg.score').getAttribute('aria-label')"
    )
    assert page.evaluate("[...document.querySelectorAll('[data-copy]')].map(b => b.dataset.copy)") == [
        f"harness replay {Path(record.manifest['bundle']).absolute()}",
        record.manifest["again"],
        f"harness judge {record.manifest['bundle']}",
    ]


def test_buttons_copy_commands(page: Page, tmp_path: Path) -> None:
    """A button puts its command on the clipboard and says so."""
    record, analysis = records.run(Verdict.FAIL)
    show(page, written(tmp_path, record, analysis))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("[data-copy]").nth(1)
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == record.manifest["again"]


def test_page_names_what_is_missing(page: Page, tmp_path: Path) -> None:
    """An inconclusive page shows, without a click, what is missing and which proof failed."""
    show(page, written(tmp_path, *records.run(Verdict.INCONCLUSIVE)))
    text = page.evaluate("document.body.innerText")
    assert "of 1,900 canary requests; 84 s more at 18 requests a second" in text
    assert "FAILED" in text
    assert "look for another route to the host: harness plan" in text


def test_fold_and_filter(page: Page, tmp_path: Path) -> None:
    """A failed run hides passed rows, a chip shows them again, and a button opens a row's reason."""
    show(page, written(tmp_path, *records.run(Verdict.FAIL)))
    seen = "[...document.querySelectorAll('tbody.finding')].filter(b => b.offsetHeight).map(b => b.dataset.verdict)"
    assert set(page.evaluate(seen)) == {"fail"}
    page.evaluate("document.querySelector('[data-filter=pass]').click()")
    assert set(page.evaluate(seen)) == {"fail", "pass"}
    why = "document.querySelector('tbody.pass .why').offsetHeight > 0"
    assert page.evaluate(why) is False
    page.evaluate("document.querySelector('tbody.pass [data-more]').click()")
    assert page.evaluate(why) is True


def test_passed_page_shows_only_the_main_sections(page: Page, tmp_path: Path) -> None:
    """A passed run shows table, timeline and intervals (in pytest-html only the table); other sections are closed."""
    record, analysis = records.run(Verdict.PASS)
    show(page, written(tmp_path, record, analysis))
    opened = page.evaluate("[...document.querySelectorAll('details.section[open] h2')].map(h => h.textContent)")
    assert opened == ["Objectives", "Timeline", "Intervals"]
    page.evaluate("location.hash = '#status'; new Promise(done => setTimeout(done, 100))")
    assert page.evaluate("document.querySelector('details.status').open") is True
    assert re.findall(r'<details class="section (\w+)" open>', report.fragments(record, analysis).html) == ["slis"]


def test_cursor_reads_the_timeline(page: Page, tmp_path: Path) -> None:
    """The arrow keys move a cursor over the timeline and show the values of both arms; a gap shows no data."""
    show(page, written(tmp_path, *records.run(Verdict.INCONCLUSIVE)))
    readouts = []
    for _ in range(20):
        page.locator("[data-cursor]").first.press("ArrowRight")
        readouts.append(page.evaluate("document.querySelector('.readout').textContent"))
    assert re.match(r"5\.0 to 10\.0 s: sent [\d.]+ req/s · baseline p50 [\d.]+ ms", readouts[0])
    assert any("canary p99 no data" in text for text in readouts)
    assert page.evaluate("getComputedStyle(document.querySelector('svg.wide .cursor')).visibility") == "visible"


def test_gaps_stay_gaps(page: Page, tmp_path: Path) -> None:
    """Where the canary has no data its lines are interrupted; they are not connected or drawn at zero."""
    show(page, written(tmp_path, *records.run(Verdict.INCONCLUSIVE)))
    parts = page.evaluate("document.querySelector('svg.wide path.canary.p99').getAttribute('d').split('M').length - 1")
    assert parts == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast(page: Page, tmp_path: Path, scheme: str) -> None:
    """Text and verdict colours have a contrast of at least 4.5 to 1 with their background in both colour schemes."""
    show(page, written(tmp_path, *records.run(Verdict.FAIL)), dark=scheme == "dark")
    names = ["ink", "soft", "pass", "fail", "marginal", "inconclusive", "baseline"]
    tints = {name: f"{name}-tint" for name in names[2:6]}
    pairs = [(name, "paper") for name in names] + list(tints.items()) + [("ink", tint) for tint in tints.values()]
    style = "getComputedStyle(document.querySelector('.harness')).getPropertyValue('--{}').trim()"
    for ink, paper in pairs:
        ratio = contrast(page.evaluate(style.format(ink)), page.evaluate(style.format(paper)))
        assert ratio >= 4.5, f"{ink} on {paper} in {scheme}: {ratio:.2f}"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(19, 22, 26)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_page_is_accessible(page: Page, tmp_path: Path) -> None:
    """Every chart has a label, every heading cell has a scope, ids are unique, and verdicts are written as words."""
    show(page, written(tmp_path, *records.run(Verdict.FAIL)))
    assert page.evaluate(
        "[...document.querySelectorAll('svg[role=img]')].every(s => s.getAttribute('aria-label').length > 10)"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('svg:not([role=img])')].every(s => s.getAttribute('aria-hidden') === 'true')"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('th')].every(h => ['col', 'row'].includes(h.getAttribute('scope')))"
    )
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every(b => (b.getAttribute('aria-label') || b.textContent).trim())"
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(set(ids)) == len(ids)
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    assert page.evaluate("document.documentElement.lang") == "en"


def test_print_shows_everything(page: Page, tmp_path: Path) -> None:
    """The printed page shows every section and row, with the reasons of failures and without buttons."""
    show(page, written(tmp_path, *records.run(Verdict.FAIL)), width=720)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)") is True
    assert page.evaluate("[...document.querySelectorAll('tbody.finding')].every(b => b.offsetHeight > 0)") is True
    assert page.evaluate("[...document.querySelectorAll('tbody.fail .why')].every(w => w.offsetHeight > 0)") is True
    assert page.evaluate("[...document.querySelectorAll('button')].every(b => b.offsetHeight === 0)") is True
    assert page.evaluate(OVERFLOWING) == []
    assert page.evaluate("document.querySelector('svg.timeline.wide').getBoundingClientRect().width") > 0


def test_hostile_names_are_text(page: Page, tmp_path: Path) -> None:
    """A service, an endpoint or an error whose name is markup is shown as text and never executed."""
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">a|b`\x1b[31m"
    record, analysis = records.run(Verdict.FAIL)
    samples = replace(record.samples, operations=(evil,) * 3, errors=("", evil))
    plan = replace(record.plan, service=evil, scenario=evil)
    objective = replace(analysis.findings[0].objective, name=evil, text=evil, labels={"endpoint": evil})
    findings = (
        replace(analysis.findings[0], objective=objective, phase=evil, reason=evil, missing=evil),
        *analysis.findings,
    )
    hostile = replace(
        record, samples=samples, plan=plan, manifest={**record.manifest, "test": evil, "again": evil, evil: evil},
        events=tuple(replace(event, kind=evil, text=evil) for event in record.events),
        resources={"during": ({"kind": "X", "metadata": {"name": evil}},)}, config={evil: evil}, aborted=evil,
        series=tuple(replace(series, name=evil, unit=evil, source=evil) for series in record.series),
        phases=tuple(replace(phase, name=evil, faults=(evil,)) for phase in record.phases),
    )  # fmt: skip
    file = written(tmp_path, hostile, replace(analysis, reason=evil, findings=findings, warnings=(evil,)))
    show(page, file)
    assert page.evaluate("document.title").startswith("FAIL · <script>")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert page.evaluate("document.querySelector('.reason').textContent") == evil.removesuffix("\x1b[31m")
    assert complaints(page) == []
    assert fetched(page)[0] == file.as_uri()
    assert [url for url in fetched(page) if url.startswith(("http", "ws"))] == []


def degenerate() -> dict[str, tuple[Record, Analysis]]:
    """Return records and analyses in which something is missing, by name."""
    record, analysis = records.run(Verdict.FAIL)
    bare = replace(analysis, findings=(), proofs=(), warnings=())
    samples = record.samples
    broken = samples.where(np.ones(len(samples), bool))
    broken.latency_s[::3], broken.due_s[::50], broken.latency_s[1::7] = np.nan, np.nan, np.inf
    odd = (
        replace(analysis.findings[0], difference=np.nan, low=np.nan, high=np.nan),
        replace(analysis.findings[1], low=-np.inf, high=np.inf),
        replace(analysis.findings[2], baseline=None, canary=None, difference=None, low=None, high=None),
        replace(analysis.findings[3], baseline=Estimate(value=np.nan, n=0), margin=0.0),
        replace(analysis.findings[4], difference=1e9, low=1e8, high=1e10),
    )
    instant = Phase(name="fault", kind=PhaseKind.FAULT, start_s=10.0, end_s=10.0, faults=("x",))
    return {
        "nothing at all": (records.empty(record), bare),
        "no findings": (record, bare),
        "no samples": (replace(record, samples=no_samples()), analysis),
        "no canary": (replace(record, samples=samples.where(samples.arm == 0)), analysis),
        "no arm known": (replace(record, samples=samples.where(samples.arm == -1)), analysis),
        "one sample": (replace(record, samples=samples.where(np.arange(len(samples)) == 7)), analysis),
        "numbers that are none": (replace(record, samples=broken), replace(analysis, findings=odd, score=np.nan)),
        "phases of 0 s": (replace(record, phases=(instant, replace(instant, name="recovery"))), analysis),
        "no phases": (replace(record, phases=()), analysis),
        "no rate": (replace(record, plan=replace(record.plan, phases=(), rate_rps=0.0)), analysis),
        "early look": (record, replace(analysis, final=False)),
    }


@pytest.mark.parametrize("name", list(degenerate()))
def test_degenerate_records_render(page: Page, tmp_path: Path, name: str) -> None:
    """A record with missing parts or NaN still renders as a clean page without broken shapes."""
    record, analysis = degenerate()[name]
    show(page, written(tmp_path, record, analysis))
    assert complaints(page) == []
    shapes = page.evaluate(
        "[...document.querySelectorAll('svg *')].flatMap(e => [...e.attributes].filter(a => a.name !== 'aria-label').map(a => a.value))"
    )
    assert [value for value in shapes if re.search(r"\b(nan|inf|NaN|Infinity|None)\b", value)] == []
    assert report.fragments(record, analysis).html.startswith("<div")


def test_page_stays_small(tmp_path: Path) -> None:
    """The page for 20 minutes at 500 requests per second, with a failure every second, is smaller than a megabyte."""
    record, analysis = records.run(Verdict.FAIL)
    n = 600_000
    random = np.random.default_rng(7)
    at = random.integers(0, len(record.samples), n)
    samples = record.samples.where(at)
    samples.due_s[:] = np.arange(n) / 500.0
    phases = tuple(replace(p, start_s=p.start_s * 8, end_s=p.end_s * 8) for p in record.phases)
    text = report.render(replace(record, samples=samples, phases=phases), analysis)
    assert len(text.encode()) < 1_000_000
    lines = re.findall(r'<path d="([^"]*)" class="line (?:baseline|canary|sent)', text)
    assert max(len(re.findall(r"[ML]", line)) for line in lines) <= 300


def test_secrets_are_masked() -> None:
    """The page does not contain values that a configuration or manifest calls token, secret or password."""
    record, analysis = records.run(Verdict.PASS)
    manifest = {**record.manifest, "environment": {"DB_PASSWORD": "correct horse", "HOME": "/root"}}
    text = report.render(replace(record, manifest=manifest), analysis)
    assert "hunter2" not in text
    assert "correct horse" not in text
    assert "/root" in text


def test_same_record_same_bytes() -> None:
    """Rendering the same record twice gives the same bytes."""
    assert report.render(*records.run(Verdict.FAIL)) == report.render(*records.run(Verdict.FAIL))


def in_si(shown: str) -> float:
    """The number behind a shown value, in seconds or as a ratio."""
    number, _, unit = shown.partition(" ")
    return float(number) * {"ms": 1e-3, "µs": 1e-6, "%": 1e-2}.get(unit, 1.0)


def read_interval(text: str) -> tuple[float, float, float, str, float]:
    """Difference, low and high end, unit and confidence in percent, as shown."""
    found = re.fullmatch(r"(\S+) (\S+) \[(\S+), (\S+)\] at (\S+) %", text.replace("−", "-"))
    assert found, text
    middle, unit, low, high, confidence = found.groups()
    return float(middle), float(low), float(high), unit, float(confidence)


def contrast(ink: str, paper: str) -> float:
    """The contrast ratio of two hex colours (WCAG 2)."""
    lighter, darker = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of a hex colour (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
