"""The page of a search: the breaking points, a curve of both arms, every probe, and earlier searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup

from harness.explore.exploration import Exploration, Tried
from harness.explore.wording import of_arm, summary
from harness.history.searches import Search
from harness.model.samples import ARMS
from harness.report.charts import svg
from harness.report.charts.scale import linear, logarithmic
from harness.report.templating import document

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 1100.0, 70.0, 1080.0, 16.0, 260.0


def render(found: Exploration, *, service: str, target: str, command: str, nights: Sequence[Search]) -> str:
    """Return the page. nights: earlier searches of the same, and this one, in order."""
    show = found.searched.show
    tried = sorted(found.tried, key=lambda one: one.amount)
    return document(
        "explore.html", "lists.js", found=found, service=service, target=target, command=command, chart=curve(found),
        verdict="inconclusive" if found.unproven or found.ended else "none", said=summary(found), arms=ARMS,
        points={arm: of_arm(found, arm) for arm in ARMS},
        rows=[(show(one.amount), one) for one in tried],
        words={None: "undecided", True: "breaks", False: "withstands it"},
        nights=[(night, {arm: night.said(arm) for arm in ARMS}) for night in nights],
    )  # fmt: skip


def curve(found: Exploration) -> Markup:
    """Draw the share of failed requests of both arms over the amounts, and their breaking points."""
    tried = sorted(found.tried, key=lambda one: one.amount)
    if not tried:
        return Markup("")
    amounts = logarithmic([[one.amount for one in tried]], _LEFT, _RIGHT)
    failed = {arm: [one.outcomes[arm].failed for one in tried] for arm in ARMS}
    shares = linear(0.0, min(1.0, max(0.05, *(max(each) for each in failed.values()))), _BOTTOM, _TOP)
    parts = [*_grid(found, amounts.ticks, amounts.many(amounts.ticks).tolist())]
    for tick, y in zip(shares.ticks, shares.many(shares.ticks).tolist(), strict=True):
        parts += [
            svg.line(_LEFT, y, _RIGHT, y, "grid"),
            svg.text(_LEFT - 6, y + 4, f"{tick:.0%}", class_="tick", anchor="end"),
        ]
    for arm in ARMS:
        mean = _by_amount(tried, arm)
        xs, ys = amounts.many(list(mean)).tolist(), shares.many(list(mean.values())).tolist()
        parts.append(svg.polyline(xs, ys, f"line {arm} p50"))
        parts += [svg.element("circle", cx=x, cy=y, r=3.5, class_=f"dot {arm}") for x, y in zip(xs, ys, strict=True)]
        at = found.point(arm).estimate
        if at is not None:
            parts.append(svg.line(amounts(at), _TOP, amounts(at), _BOTTOM, f"edge {arm}"))
    label = f"failed requests of both arms by {found.searched.what} of {found.searched.text}; {summary(found)}"
    return svg.drawing(_WIDTH, _BOTTOM + 26, label, *parts, class_="trend")


def _by_amount(tried: Sequence[Tried], arm: str) -> dict[float, float]:
    values: dict[float, list[float]] = {}
    for one in tried:
        values.setdefault(one.amount, []).append(one.outcomes[arm].failed)
    return {amount: float(np.mean(each)) for amount, each in values.items()}


def _grid(found: Exploration, ticks: Sequence[float], xs: Sequence[float]) -> Iterator[Markup]:
    for tick, x in zip(ticks, xs, strict=True):
        yield svg.line(x, _TOP, x, _BOTTOM, "grid")
        yield svg.text(x, _BOTTOM + 18, found.searched.show(tick), class_="tick", anchor="middle")
