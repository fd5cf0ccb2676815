"""Write the page of a run: a row for each scenario, including those without a verdict, in one self-contained file."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from harness import bundle
from harness.model import formatting
from harness.model.units import format_duration
from harness.report.facts import from_here
from harness.report.findings import minus
from harness.report.templating import document
from harness.run_folder import INDEX, RecordedRun, find_run
from harness.summary import NO_VERDICT, Summary, summaries, worst_verdict

_ORDER = ("fail", NO_VERDICT, "inconclusive", "marginal", "pass")
_MOST_CELLS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the page says about the whole run, as text."""

    name: str
    worst: str
    headline: str
    trouble: str
    facts: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, int], ...]
    environment: tuple[tuple[str, str], ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario. said: the reason of a verdict other than pass, or why there is none."""

    anchor: str
    link: str
    verdict: str
    title: str
    about: str
    said: str
    score: str
    objective: str
    deviation: str
    tolerance: str
    fault: str
    requests: str
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One scenario in the matrix of faults and services."""

    verdict: str
    title: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """A fault, and its scenarios by service."""

    label: str
    cells: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Faults against the services whose requests they change."""

    hosts: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


def write_index(folder: Path) -> Path:
    """Write the page of the run in ``folder`` from what was recorded, and return its path.

    Raises RecordError if it cannot be written.
    """
    run = find_run(str(folder), folder.parent)
    with bundle.recording(folder):
        bundle.write_atomically(folder / INDEX, render(run, summaries(run)).encode())
    return folder / INDEX


def render(run: RecordedRun, scenarios: Sequence[Summary]) -> str:
    """Return the page of a run."""
    ordered = sorted(scenarios, key=lambda one: (_ORDER.index(one.verdict), one.test, one.folder))
    return document(
        "run_index.html", "lists.js",
        index=_index(run, ordered), rows=[_row(one, number) for number, one in enumerate(ordered)],
        matrix=matrix(ordered),
    )  # fmt: skip


def matrix(scenarios: Sequence[Summary]) -> Matrix | None:
    """Return the scenarios by fault and service; None unless several faults or services were tried."""
    placed: dict[tuple[str, str], list[Cell]] = {}
    for number, one in enumerate(scenarios):
        if len(one.faults) == 1 and one.faults[0].host:
            fault = one.faults[0]
            cell = Cell(verdict=one.verdict, title=f"{one.verdict}: {one.test}", anchor=_anchor(one, number))
            placed.setdefault((fault.label, fault.host), []).append(cell)
    labels = tuple(sorted({label for label, _ in placed}))
    hosts = tuple(sorted({host for _, host in placed}))
    if len(labels) < 2 and len(hosts) < 2:
        return None
    rows = [
        MatrixRow(label=label, cells=tuple(tuple(placed.get((label, host), ())[:_MOST_CELLS]) for host in hosts))
        for label in labels
    ]
    return Matrix(hosts=hosts, rows=tuple(rows))


_UNDER_WAY = "The run is under way: this page shows what it had recorded when the page was made."


def _index(run: RecordedRun, ordered: Sequence[Summary]) -> Index:
    counts = Counter(one.verdict for one in ordered)
    worst = worst_verdict((*counts, *((NO_VERDICT,) if run.trouble or not ordered else ())))
    said = [f"{counts[v]} {'without a verdict' if v == NO_VERDICT else v}" for v in _ORDER if counts[v]]
    number = formatting.counted(len(ordered), "scenario")
    return Index(
        name=run.folder.name,
        worst=worst,
        headline=f"{number}: {', '.join(said)}" if said else "no scenario was recorded",
        trouble=_UNDER_WAY if run.under_way else run.trouble,
        facts=tuple(_facts(run, ordered)),
        counts=tuple((verdict, counts[verdict]) for verdict in _ORDER if counts[verdict]),
        environment=_environment(ordered),
        command=f"harness show {shlex.quote(from_here(run.folder))}",
    )


def _facts(run: RecordedRun, ordered: Sequence[Summary]) -> list[tuple[str, str]]:
    state = "none yet" if run.under_way else "unfinished" if run.exit_code is None else str(run.exit_code)
    rows = [("Started", f"{datetime.fromtimestamp(run.started_s, UTC):%Y-%m-%d %H:%M:%S} UTC"), ("Exit code", state)]
    if run.finished_s is not None:
        rows.append(("Duration", format_duration(run.finished_s - run.started_s)))
    rows.append(("Requests", formatting.count(sum(one.requests for one in ordered))))
    for name in ("service", "target", "commit"):
        found = list(dict.fromkeys(str(getattr(one, name)) for one in ordered if getattr(one, name)))
        rows += [(name.capitalize(), ", ".join(found))] if found else []
    return rows


def _environment(ordered: Sequence[Summary]) -> tuple[tuple[str, str], ...]:
    """Return the versions of all scenarios; where they differ, each value with the number of scenarios that had it."""
    names = list(dict.fromkeys(name for one in ordered for name in one.versions))
    rows = []
    for name in names:
        values = Counter(one.versions[name] for one in ordered if name in one.versions)
        alone = len(values) == 1
        rows.append((name, ", ".join(value if alone else f"{value} ({n} scenarios)" for value, n in values.items())))
    return tuple(rows)


def _row(one: Summary, number: int) -> Row:
    worst = one.worst if one.verdict != "pass" else None
    given = one.verdict != NO_VERDICT
    return Row(
        anchor=_anchor(one, number),
        link=f"{quote(one.folder)}/{bundle.REPORT}" if given else "",
        verdict=one.verdict,
        title=one.test,
        about=one.about,
        said=one.trouble if not given else "" if one.verdict == "pass" else one.reason,
        score=formatting.points(one.score) if given else "–",
        objective="" if worst is None else worst.key,
        deviation="" if worst is None else minus(worst.shown),
        tolerance="" if worst is None else worst.tolerance,
        fault="; ".join(fault.text for fault in one.faults),
        requests=formatting.count(one.requests) if given else "–",
        length=format_duration(one.duration_s) if given else "–",
    )


def _anchor(one: Summary, number: int) -> str:
    """Return the id of a row: the folder's name, which is part of deep links, or a number without one."""
    return quote(one.folder, safe="") or f"row-{number}"
