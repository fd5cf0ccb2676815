"""Write the pages of a history into a folder. Every page is one file that stands alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

from markupsafe import Markup

from harness import bundle
from harness.history.changes import LEVEL, Notice
from harness.history.index import History, RunEntry
from harness.history.trends import RECENT, Point, ScenarioTrend
from harness.history.trust import trust_of
from harness.model import formatting
from harness.model.json import JsonValue
from harness.model.samples import ARMS
from harness.model.units import format_duration
from harness.report.charts.trend import MOST, trend_chart
from harness.report.findings import minus
from harness.report.history import breaking, cells
from harness.report.templating import document
from harness.run_folder import INDEX

_MOST_NOTICES, _MOST_RUNS, _MANY = 40, 200, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the pages find the runs: a relative path or an address in front of the name of each run."""

    prefix: str

    def run(self, name: str, folder: str = "") -> str:
        """Return the address of a run's page, at the row of one scenario."""
        return f"{self.prefix}/{quote(name)}/{INDEX}" + (
            f"#{quote(quote(folder, safe=''), safe='%')}" if folder else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """A row of the heatmap: a scenario, or one of its objectives (then ``parent`` is the number of its scenario)."""

    name: str
    short: str
    page: str
    anchor: str
    letters: str
    drawn: Markup
    parent: int
    number: int


class _Cells(TypedDict):
    letters: str
    drawn: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRow:
    """A scenario in the list of the overview, as text."""

    name: str
    page: str
    verdict: str
    since: str
    passed: str
    flips: int
    flaky: bool
    advisory: str
    runs: str
    length: str
    requests: str


def write_site(
    history: History,
    trends: Sequence[ScenarioTrend],
    found: Sequence[Notice],
    out: Path,
    *,
    runs: Path,
    runs_url: str = "",
) -> Path:
    """Write all pages and return the path of the overview. runs_url: where ``runs`` is published, if it is."""
    relative = os.path.relpath(runs.absolute(), out.absolute())
    links = Links(prefix=runs_url.rstrip("/") or quote(relative))
    pages = {page_name(trend.name): scenario_page(history, trend, found, links) for trend in trends}
    if history.searches:
        pages[breaking.PAGE] = breaking.breaking_page(history.searches, links.prefix)
    with bundle.recording(out):
        for name, text in {**pages, INDEX: overview(history, trends, found, links)}.items():
            bundle.write_atomically(out / name, text.encode())
    return out / INDEX


def page_name(scenario: str) -> str:
    """Return the file name of a scenario's page: readable, and different for different scenarios."""
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", scenario)[-60:].strip("-.")
    return f"{readable or 'scenario'}-{hashlib.sha256(scenario.encode(errors='replace')).hexdigest()[:8]}.html"


def overview(history: History, trends: Sequence[ScenarioTrend], found: Sequence[Notice], links: Links) -> str:
    """Return the page with the heatmap, the newest changes, all scenarios, and time and cost."""
    rows = [row for number, trend in enumerate(trends) for row in _heat_rows(history, trend, number)]
    scenarios = [_scenario_row(trend) for trend in trends]
    return document(
        "history.html",
        "history.js",
        facts=_facts(history, trends),
        rows=rows,
        scenarios=scenarios,
        points=breaking.newest_points(history.searches),
        arms=ARMS,
        folded=len(trends) >= _MANY,
        notices=_notices(found, links),
        left_out=max(len(found) - _MOST_NOTICES, 0),
        runs=_json([_column(entry, history, links) for entry in history.runs]),
        shapes=_json({"shapes": dict(cells.SHAPES), "width": cells.WIDTH, "shown": cells.SHOWN}),
        months=_months(history),
        trust=_ledger(trends),
        ignored=_ignored(history, links),
        recent=RECENT,
        newest=min(len(history.runs), cells.SHOWN),
        total=len(history.runs),
        legend=[(verdict, cells.SHAPES[letter]) for verdict, letter in cells.LETTERS.items()],
    )


def scenario_page(history: History, trend: ScenarioTrend, found: Sequence[Notice], links: Links) -> str:
    """Return the page of one scenario: its objectives over time, and its runs."""
    own = [notice for notice in found if notice.scenario == trend.name]
    own.sort(key=lambda notice: notice.kind != LEVEL)
    ordered = sorted(trend.trends, key=lambda one: (-len(one.changes), one.key))
    return document(
        "history_scenario.html",
        "lists.js",
        name=trend.name,
        row=_scenario_row(trend),
        trends=[(one.key, trend_chart(one)) for one in ordered],
        most=MOST,
        notices=_notices(own, links, own=trend.name),
        runs=[_run_row(point, history, links) for point in trend.points[::-1][:_MOST_RUNS]],
        left_out=max(len(trend.points) - _MOST_RUNS, 0),
        about=trend.points[-1].summary.about,
        recent=RECENT,
    )


def _heat_rows(history: History, trend: ScenarioTrend, number: int) -> list[HeatRow]:
    size, page = len(history.runs), page_name(trend.name)
    anchor = quote(trend.points[-1].summary.folder, safe="")
    verdicts = {point.position: _letter(point.summary.verdict, ignored=point.ignored) for point in trend.points}
    rows = [(trend.name, verdicts, -1)]
    for one in trend.trends:
        letters = {
            reading.point.position: _letter(reading.judged.verdict, ignored=reading.point.ignored)
            for reading in one.readings
        }
        rows.append((one.key, letters, number))
    return [
        HeatRow(
            name=name,
            short=_short(name),
            page=page,
            anchor=anchor,
            parent=parent,
            number=number,
            **_drawn(name, letters, size),
        )
        for name, letters, parent in rows
    ]


def _short(name: str) -> str:
    """Return the name of a test without its file, because a heatmap has little room."""
    return name.partition("::")[2] or name


def _drawn(name: str, letters: Mapping[int, str], size: int) -> _Cells:
    """Return the cells of a row as text for the script, and drawn for the newest runs."""
    line = "".join(letters.get(position, cells.ABSENT) for position in range(size))
    counts = Counter(cells.CLASSES.get(letter, "") for letter in line[-cells.SHOWN :])
    words = [
        f"{counts[word]} {'without a verdict' if word == 'none' else word}" for word in cells.LETTERS if counts[word]
    ]
    label = f"{name}: {', '.join(words) or 'no run'} in the newest {formatting.counted(min(size, cells.SHOWN), 'run')}"
    return {"letters": cells.encoded(line), "drawn": cells.row(line, label)}


def _letter(verdict: str, *, ignored: bool) -> str:
    return cells.IGNORED if ignored else cells.LETTERS.get(verdict, cells.ABSENT)


def _scenario_row(trend: ScenarioTrend) -> ScenarioRow:
    counted = [point for point in trend.points if not point.ignored]
    newest = counted[-1] if counted else trend.points[-1]
    first = newest
    for point in reversed(counted):
        if point.summary.verdict != newest.summary.verdict:
            break
        first = point
    recent = counted[-RECENT:]
    passed = sum(point.summary.verdict == "pass" for point in recent)
    return ScenarioRow(
        name=trend.name,
        page=page_name(trend.name),
        verdict=newest.summary.verdict,
        since=_date(first.summary.started_s),
        passed=f"{passed} of {len(recent)}",
        flips=trend.flips,
        flaky=trend.flaky,
        advisory="; ".join(trust_of(trend).doubts),
        runs=formatting.count(len(trend.points)),
        length=format_duration(trend.duration_s),
        requests=formatting.count(trend.requests),
    )


def _facts(history: History, trends: Sequence[ScenarioTrend]) -> list[tuple[str, str]]:
    if not history.runs:
        return [("Runs", "0")]
    seconds = sum(point.summary.duration_s for trend in trends for point in trend.points)
    failing = sum(_scenario_row(trend).verdict in ("fail", "none") for trend in trends)
    return [
        ("Runs", formatting.count(len(history.runs))),
        ("From", _date(history.runs[0].started_s)),
        ("To", _date(history.runs[-1].started_s)),
        ("Scenarios", formatting.count(len(trends))),
        ("Failing now", str(failing)),
        ("Flaky", str(sum(trend.flaky for trend in trends))),
        ("Under load", _hours(seconds)),
        ("Requests", formatting.count(sum(trend.requests for trend in trends))),
    ]


def _ledger(trends: Sequence[ScenarioTrend]) -> list[dict[str, str]]:
    """Return what is known of how far each scenario can be trusted; nothing if no run tested any of them."""
    ledger = [(trend.name, trust_of(trend)) for trend in trends]
    if not any(trust.tested for _, trust in ledger):
        return []
    return [
        {
            "name": name,
            "page": page_name(name),
            "said": f"advisory: {'; '.join(trust.doubts)}"
            if trust.advisory
            else "kept"
            if trust.tested
            else "not tested",
            "alarms": f"{trust.false_alarms} of {trust.equal}",
            "missed": f"{trust.missed} of {trust.controls}",
            "minutes": formatting.count(round(trust.seconds / 60)),
        }
        for name, trust in ledger
    ]


def _months(history: History) -> list[tuple[str, str, str, str]]:
    """Return month, runs, time under load and requests, the newest month first."""
    months: dict[str, list[RunEntry]] = {}
    for entry in history.runs:
        months.setdefault(f"{datetime.fromtimestamp(entry.started_s, UTC):%Y-%m}", []).append(entry)
    return [
        (
            month,
            formatting.count(len(own)),
            _hours(sum(one.duration_s for entry in own for one in entry.scenarios)),
            formatting.count(sum(one.requests for entry in own for one in entry.scenarios)),
        )
        for month, own in sorted(months.items(), reverse=True)
    ]


def _column(entry: RunEntry, history: History, links: Links) -> list[JsonValue]:
    ignored = history.ignored.get(entry.run)
    return [entry.run, _moment(entry.started_s), links.run(entry.run), ignored.reason if ignored else ""]


def _notices(found: Sequence[Notice], links: Links, *, own: str = "") -> list[dict[str, object]]:
    """Return changes as the templates show them. own: the scenario that the page is about, which needs no name."""
    return [
        {
            "kind": one.kind,
            "text": minus(one.text.removeprefix(f"{own}: ") if own else one.text),
            "run": one.run,
            "href": links.run(one.run),
            "page": page_name(one.scenario),
            "verdict": {True: "fail", False: "pass", None: "inconclusive"}[one.worse],
        }
        for one in found[:_MOST_NOTICES]
    ]


def _ignored(history: History, links: Links) -> list[dict[str, str]]:
    return [
        {"run": run, "href": links.run(run), "reason": one.reason, "at": one.at}
        for run, one in sorted(history.ignored.items())
    ]


def _run_row(point: Point, history: History, links: Links) -> dict[str, object]:
    one, entry = point.summary, history.runs[point.position]
    worst, given = one.worst, one.verdict != "none"
    return {
        "verdict": one.verdict,
        "run": entry.run,
        "href": links.run(entry.run, one.folder),
        "at": _moment(entry.started_s),
        "score": formatting.points(one.score) if given else "–",
        "commit": one.commit,
        "canary": one.versions.get("canary", ""),
        "ignored": point.ignored,
        "reason": one.trouble or ("" if one.verdict == "pass" else one.reason),
        "worst": f"{worst.key}: {minus(worst.shown)}" if worst else "–",
        "length": format_duration(one.duration_s) if given else "–",
    }


def _hours(seconds: float) -> str:
    return format_duration(seconds) if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _date(epoch_s: float) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d}"


def _moment(epoch_s: float) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M}"
