"""The results of a search as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.explore.exploration import Exploration
from harness.model.samples import ARMS


def summary(found: Exploration) -> str:
    """Return what was found in one sentence, such as ``canary breaks at 380 ms (baseline: withstands 5 s)``."""
    if found.unproven:
        return f"nothing is proven: {found.unproven}"
    said = "; ".join(f"{arm} {of_arm(found, arm)}" for arm in reversed(ARMS))
    return f"{said} (the search ended early: {found.ended})" if found.ended else said


def table(searches: Sequence[Exploration]) -> Iterator[str]:
    """Yield the lines of a table of several searches: a row for each fault, a column for each arm."""
    rows = [("fault", *reversed(ARMS))]
    for one in searches:
        points = [one.point(arm).said(one.searched.show) for arm in reversed(ARMS)]
        rows.append((one.searched.text, *(["nothing is proven"] * len(ARMS) if one.unproven else points)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def of_arm(found: Exploration, arm: str) -> str:
    """Return what is known of one arm, and why it is not more if probes were not believed."""
    said = found.point(arm).said(found.searched.show)
    doubts = found.doubts(arm)
    if not doubts:
        return said
    probes = "1 probe is" if len(doubts) == 1 else f"{len(doubts)} probes are"
    return f"{said}, and not closer because {probes} not believed: {doubts[-1]}"
