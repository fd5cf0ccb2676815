"""Two recorded runs side by side, in the terminal, as JSON and as a page."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import report_records as records
import run_pages
from browsing import complaints, show
from playwright.sync_api import Page
from run_pages import HOSTILE

from harness.cli import main
from harness.model.verdict import Verdict
from harness.report.diff import difference, side
from harness.report.diff_page import render


def pair(**manifest: object):
    """What differs between a pass and a fail of the same scenario."""
    sides = []
    for label, verdict in (("A", Verdict.PASS), ("B", Verdict.FAIL)):
        record, analysis = records.run(verdict)
        changed = {**record.manifest, "packages": {"numpy": "2.0" if label == "A" else "2.1"}, **manifest}
        record = dataclasses.replace(record, manifest=changed, config={**record.config, "canary": f"v{label}"})
        sides.append(side(label, f"bundle-{label}", record, analysis))
    return difference(*sides)


def test_versions_configuration_and_objectives_are_compared() -> None:
    """Only what differs is listed; objectives whose verdict changed come first, and secrets stay hidden."""
    found = pair()
    assert ("packages.numpy", "2.0", "2.1") in [(one.name, one.left, one.right) for one in found.versions]
    assert ("harness.yaml: canary", "vA", "vB") in [(one.name, one.left, one.right) for one in found.configuration]
    assert not any("TOKEN" in one.name or "hunter2" in one.left for one in found.configuration)
    assert (found.objectives[0].key, found.objectives[0].changed) == ("error_rate in fault", True)
    assert (found.objectives[0].left.verdict, found.objectives[0].right.verdict) == ("pass", "fail")
    assert not found.objectives[-1].changed


def test_objectives_of_one_indicator_are_told_apart_by_their_tolerance() -> None:
    """A limit and a difference of the same indicator are compared each with itself, whichever is worse on a side."""
    found = {one.key: (one.left.verdict, one.right.verdict) for one in pair().objectives if one.left and one.right}
    assert len(pair().objectives) == len(found)
    assert ("pass", "fail") == found["latency_p99 in recovery, +15 %"]
    assert ("pass", "pass") == found["latency_p99 in recovery, < 5 s"]


def test_a_phase_that_was_only_watched_is_no_verdict() -> None:
    """It is compared by its label, and ranks behind the verdicts."""
    record, analysis = records.run(Verdict.PASS)
    watched = dataclasses.replace(analysis.findings[0], watched=True)
    other = dataclasses.replace(analysis, findings=(watched, *analysis.findings[1:]))
    found = difference(side("A", "a", record, analysis), side("B", "b", record, other))
    assert ("pass", "watched", True) == (
        found.objectives[0].left.verdict, found.objectives[0].right.verdict, found.objectives[0].changed,
    )  # fmt: skip


def test_latencies_are_those_of_the_samples() -> None:
    """Quantiles of both arms in each phase, and the relative difference; canaries also as distributions."""
    found = pair()
    (row,) = [row for row in found.latencies if (row.phase, row.arm, row.quantile) == ("steady", "canary", "p50")]
    assert row.difference.startswith("+")
    assert 0 < float(row.difference.split()[0]) < 5
    assert ["steady", "fault", "recovery"] == [seen.phase.name for seen in found.distributions]


def test_page_shows_both(page: Page, tmp_path: Path) -> None:
    """The page has both verdicts, fits a phone, and shows hostile names as text."""
    found = pair(test=HOSTILE, commit=HOSTILE, **{HOSTILE: HOSTILE})
    file = tmp_path / "diff.html"
    file.write_text(render([found], title=(HOSTILE, "b"), alone=[("A", HOSTILE)]), encoding="utf-8")
    for width in (380, 1600):
        show(page, file, width=width)
        assert complaints(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
        assert page.evaluate("document.querySelectorAll('main .banner.pass, main .banner.fail').length") == 2


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two runs with one scenario in common."""
    run_pages.run_of(tmp_path / "20261127-020000-aaaa", Verdict.PASS, Verdict.PASS)
    folder = run_pages.run_of(tmp_path / "20261128-020000-bbbb", code=None)
    run_pages.write(folder / "test_0", Verdict.FAIL, test="scenarios/test_a.py::test_0")
    run_pages.write(folder / "test_9", Verdict.PASS, test="scenarios/test_a.py::test_9")
    return [str(tmp_path / "20261127-020000-aaaa"), str(folder)]


def test_command_pairs_scenarios_by_name(runs: list[str], tmp_path: Path, capsys) -> None:
    """Scenarios of the same name are compared, and those that only one run has are named."""
    page = tmp_path / "diff.html"
    assert main(["diff", *runs, "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "scenarios/test_a.py::test_0" in said
    assert "only A has scenarios/test_a.py::test_1" in said
    assert "only B has scenarios/test_a.py::test_9" in said
    assert "Two runs side by side" in page.read_text()
    assert main(["diff", *runs, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "harness.diff/1"
    assert [("pass", "fail")] == [(one["a"]["verdict"], one["b"]["verdict"]) for one in document["scenarios"]]


def test_one_bundle_is_compared_with_another(runs: list[str], capsys) -> None:
    """Two bundles are compared whatever they are called; without samples, only what was decided is."""
    bundles = [f"{runs[0]}/test_0-pass", f"{runs[1]}/test_9"]
    (Path(bundles[0]) / "samples.parquet").unlink()
    (Path(bundles[0]) / "thinned.json").write_text("{}")
    assert main(["diff", *bundles]) == 0
    printed = capsys.readouterr().out
    assert "latency: no samples in common" in printed
    assert printed.startswith("scenarios/test_a.py::test_0 and scenarios/test_a.py::test_9\n")
    assert main(["diff", bundles[0], "/nothing"]) == 2
    assert main(["diff", *bundles, "--open"]) == 2
