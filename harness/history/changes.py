"""Find changes that an owner wants to know: a new failure, a recovery, a new level. Each has a key that stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.history.index import History
from harness.history.trends import Change, Point, ScenarioTrend, Trend
from harness.model.verdict import Verdict
from harness.summary import NO_VERDICT

FAILED, RECOVERED, LEVEL = "new failure", "recovered", "change of level"
_BAD = (Verdict.FAIL.value, NO_VERDICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One change, noticed in the run at ``position``. text: what happened, in a sentence. worse: None if neither."""

    kind: str
    key: str
    scenario: str
    run: str
    position: int
    text: str
    worse: bool | None


def notices(history: History, trends: Sequence[ScenarioTrend]) -> tuple[Notice, ...]:
    """Return all changes of a history, the newest first."""
    names = [entry.run for entry in history.runs]
    found = [notice for trend in trends for notice in (*_verdicts(trend, names), *_levels(trend, names))]
    return tuple(sorted(found, key=lambda notice: (-notice.position, notice.scenario, notice.key)))


def untold(history: History, found: Sequence[Notice], channel: str) -> tuple[Notice, ...]:
    """Return the changes that a channel has not been told of.

    The first time, only those of the newest run: nobody wants to hear of years of history at once.
    """
    told = history.told.get(channel)
    if told is None:
        newest = len(history.runs) - 1
        return tuple(notice for notice in found if notice.position == newest)
    return tuple(notice for notice in found if notice.key not in told)


def _verdicts(trend: ScenarioTrend, names: Sequence[str]) -> Iterator[Notice]:
    """Yield when a scenario began to fail and when it passed again; an open verdict does neither."""
    failing = False
    for point in trend.points:
        verdict = point.summary.verdict
        if point.ignored:
            continue
        if verdict in _BAD and not failing:
            failing = True
            said = point.summary.trouble or point.summary.reason
            text = f"{trend.name}: {FAILED}: {said}"
            yield _notice(FAILED, trend.name, point, names, text=text, worse=True)
        elif verdict == Verdict.PASS.value and failing:
            failing = False
            yield _notice(RECOVERED, trend.name, point, names, text=f"{trend.name}: {RECOVERED}", worse=False)


def _levels(trend: ScenarioTrend, names: Sequence[str]) -> Iterator[Notice]:
    for one in trend.trends:
        for change in one.changes:
            text = f"{trend.name}: {one.key} {_described(change)} since {names[change.began.point.position]}"
            yield _notice(LEVEL, trend.name, change.found.point, names, text=text, worse=change.worse, about=one)


def _notice(
    kind: str,
    scenario: str,
    point: Point,
    names: Sequence[str],
    *,
    text: str,
    worse: bool | None,
    about: Trend | None = None,
) -> Notice:
    run = names[point.position]
    key = "|".join((kind, scenario, about.key if about else "", run))
    return Notice(
        kind=kind, key=key, scenario=scenario, run=run, position=point.position, text=text, worse=worse
    )  # fmt: skip


def _described(change: Change) -> str:
    word = {True: "got worse", False: "got better", None: "changed"}[change.worse]
    return f"{word} from {shown(change.point.before, change)} to {shown(change.point.after, change)}"


def shown(value: float, change: Change) -> str:
    """Return a difference from the baseline with its unit."""
    judged = change.found.judged
    if judged.relative or judged.unit == "ratio":
        return f"{value * 100:+.3g} {'%' if judged.relative else 'pp'}"
    return f"{value:+.3g} {judged.unit}".strip()
