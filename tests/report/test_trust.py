"""The trust ledger: what runs of equal builds and positive controls say about a scenario."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import histories
import pytest
from json_schemas import require_fit

from harness.cli import main
from harness.history import index
from harness.history.index import History, RunEntry
from harness.history.trends import scenario_trends
from harness.history.trust import Trust, trust_of
from harness.model.run_kind import CONTROL, EQUAL
from harness.report.history.site import write_site


def nights(kind: str, verdicts: list[str], *, first: int = 0) -> list[RunEntry]:
    """A run of one kind for each verdict."""
    found = []
    for night, verdict in enumerate(verdicts, start=first):
        one = histories.summary(night, "test_reviews", (), verdict=verdict)
        found.append(histories.entry(night, dataclasses.replace(one, kind=kind)))
    return found


def ledger(entries: list[RunEntry], **ignored: index.Ignored) -> Trust:
    """The ledger of the only scenario."""
    return trust_of(scenario_trends(History(runs=tuple(entries), ignored=ignored))[0])


@pytest.mark.parametrize(
    ("kind", "verdicts", "advisory"),
    [
        ("", ["fail"] * 5, False),
        (EQUAL, ["pass", "inconclusive"] * 10, False),
        (EQUAL, ["fail", *["pass"] * 4], True),
        (EQUAL, ["fail", *["pass"] * 20], False),
        (EQUAL, ["fail", "fail", *["pass"] * 20], True),
        (EQUAL, ["fail", *["pass"] * 4, *["pass"] * 50], False),
        (CONTROL, ["pass"], True),
        (CONTROL, ["inconclusive"], True),
        (CONTROL, ["none"], False),
        (CONTROL, ["fail"] * 20, False),
        (CONTROL, [*["fail"] * 19, "marginal"], False),
        (CONTROL, [*["fail"] * 7, "pass", "pass", "pass"], True),
    ],
)
def test_a_scenario_that_breaks_its_promises_is_advisory(kind: str, verdicts: list[str], *, advisory: bool) -> None:
    """One surprise among many runs is chance; more is a doubt, and old ones are forgotten."""
    found = ledger(nights(kind, verdicts))
    assert (advisory, advisory) == (found.advisory, bool(found.doubts))


def test_the_ledger_counts_both_kinds_and_all_time() -> None:
    """Ignored runs and runs that compare builds count as time only."""
    entries = [
        *nights(EQUAL, ["fail", "pass"]),
        *nights(CONTROL, ["fail", "pass"], first=2),
        *nights("", ["fail"], first=4),
    ]
    found = ledger(entries, **{histories.run_name(0): index.Ignored(reason="the machine slept", at="")})
    assert Trust(equal=1, false_alarms=0, controls=2, missed=1, seconds=5 * 240.0) == found
    assert found.tested


def test_advisory_scenarios_are_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal, the JSON and the page name them; nothing is left out."""
    runs = tmp_path / "reports"
    runs.mkdir()
    index.add_runs(runs / index.NAME, nights(CONTROL, ["pass"]))
    assert 0 == main(["history", str(runs)])
    assert (
        "  advisory  scenarios/test_shop.py::test_reviews: 1 of 1 positive controls did not fail\n"
        in capsys.readouterr().out
    )
    assert 0 == main(["history", str(runs), "--json"])
    document = json.loads(capsys.readouterr().out)
    require_fit(document, "harness.history/1")
    assert {
        "tested": True, "advisory": True, "equal_runs": 0, "false_alarms": 0, "controls": 1, "missed": 1, "minutes": 4.0,
    } == document["scenarios"][0]["trust"]  # fmt: skip
    page = (runs / "history" / "index.html").read_text()
    assert "advisory: 1 of 1 positive controls did not fail" in page


def test_a_history_without_tests_of_scenarios_has_no_ledger(tmp_path: Path) -> None:
    """Nothing is said about trust where no run tested any scenario."""
    history = History(runs=tuple(nights("", ["pass", "fail"])))
    page = write_site(history, scenario_trends(history), (), tmp_path / "site", runs=tmp_path)
    assert 'id="trust"' not in page.read_text()
