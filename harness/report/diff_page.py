"""The comparison of two runs as a page."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.charts.distribution import difference as quantile_difference
from harness.report.charts.distribution import distribution
from harness.report.diff import Difference
from harness.report.templating import document

_TITLE = "B compared with A at each quantile"


def render(found: Sequence[Difference], *, title: tuple[str, str], alone: Sequence[tuple[str, str]] = ()) -> str:
    """Return the page. title: the names of both runs. alone: side and name of scenarios that only one run has."""
    return document(
        "diff.html", "lists.js", title=title, alone=list(alone),
        pairs=[
            {
                "found": one,
                "charts": [
                    (seen.phase.name, distribution(seen, ("A", "B")), quantile_difference(seen, _TITLE))
                    for seen in one.distributions
                ],
            }
            for one in found
        ],
    )  # fmt: skip
