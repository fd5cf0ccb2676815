"""The page of breaking points: for each service, fault and target, those of both arms night by night."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from harness.history.searches import PAGE as SEARCH_PAGE
from harness.history.searches import Search, by_subject
from harness.model.samples import ARMS
from harness.report.charts.breaking import MOST, breaking_chart
from harness.report.templating import document

PAGE = "breaking-points.html"


def breaking_page(searches: Sequence[Search], prefix: str) -> str:
    """Return the page. prefix: what links to the folder of runs begin with."""
    subjects = [
        {
            "name": title(own[-1]), "anchor": f"subject-{number}", "newest": own[-1], "chart": _chart(own),
            "rows": [_row(own, place, prefix) for place in reversed(range(len(own)))][:MOST],
            "left_out": max(len(own) - MOST, 0),
        }
        for number, own in enumerate(by_subject(searches))
    ]  # fmt: skip
    return document("history_breaking.html", "lists.js", subjects=subjects, arms=ARMS, most=MOST, total=len(searches))


def newest_points(searches: Sequence[Search]) -> list[dict[str, object]]:
    """Return what the overview shows: the newest search of each subject."""
    return [
        {
            "name": title(own[-1]), "href": f"{PAGE}#subject-{number}", "nights": len(own), "at": own[-1].started[:10],
            "said": {arm: own[-1].said(arm) for arm in ARMS},
        }
        for number, own in enumerate(by_subject(searches))
    ]  # fmt: skip


def _chart(own: Sequence[Search]) -> str:
    """Return the chart, or nothing if no search shows anything of an arm."""
    points = [one.point(arm) for one in own for arm in ARMS]
    return breaking_chart(own) if any(one.withstood or one.broke for one in points) else ""


def title(search: Search) -> str:
    """Return what a search is about."""
    return f"{search.service} under {search.fault} on {search.target}"


def _row(own: Sequence[Search], place: int, prefix: str) -> dict[str, object]:
    one = own[place]
    return {
        "at": one.started.replace("T", " ")[:16],
        "href": f"{prefix}/{quote(one.folder)}/{SEARCH_PAGE}",
        "said": {arm: one.said(arm) for arm in ARMS},
        "note": one.unproven or (f"ended early: {one.ended}" if one.ended else ""),
        "against_baseline": _ratio(one.point("canary").estimate, one.point("baseline").estimate),
        "against_last": _ratio(one.point("canary").estimate, own[place - 1].point("canary").estimate) if place else "–",
    }


def _ratio(amount: float | None, other: float | None) -> str:
    if amount is None or other is None:
        return "–"
    percent = round(100 * (amount / other - 1))
    return f"{percent:+d} %" if percent else "0 %"
