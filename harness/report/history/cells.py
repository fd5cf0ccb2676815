"""The cells of the heatmap: one letter for each run, and a shape for each letter, so that nobody depends on colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

from markupsafe import Markup

from harness.model.verdict import WATCHED
from harness.report.charts import svg

ABSENT, IGNORED = "a", "x"
LETTERS: Mapping[str, str] = {"pass": "p", "fail": "f", "marginal": "m", "inconclusive": "i", "none": "n", WATCHED: "w"}
CLASSES: Mapping[str, str] = {letter: verdict for verdict, letter in LETTERS.items()} | {IGNORED: "ignored"}
SHAPES: Mapping[str, str] = {
    "p": "m3 6h8v8h-8z",
    "f": "m1 2h12v16h-12z",
    "m": "m7 3l6 13h-12z",
    "i": "m7 3l5 7l-5 7l-5-7z",
    "n": "m2 3h10v14h-10zm2 6v2h6v-2z",
    "w": "m3 9h8v2h-8z",
    "x": "m6 9h2v2h-2z",
}
"""Relative paths; a cell is 14 wide and 20 high."""
WIDTH, HEIGHT = 14.0, 20.0
SHOWN = 60
"""Newest runs that the page shows before the script shows others."""


def encoded(letters: Iterable[str]) -> str:
    """Return the letters with repetitions as numbers: ``p120f1``."""
    return "".join(f"{letter}{len(list(group))}" for letter, group in groupby(letters))


def row(letters: str, label: str) -> Markup:
    """Draw the newest cells of one row: one path for each verdict."""
    newest = letters[-SHOWN:]
    width, parts = WIDTH * len(newest), []
    for letter, shape in SHAPES.items():
        places = [place for place, one in enumerate(newest) if one == letter]
        path = "".join(f"M{svg.coordinate(place * WIDTH)} 0{shape}" for place in places)
        parts.append(svg.element("path", d=path or None, class_=f"cell {CLASSES[letter]}", data_letter=letter))
    return svg.element(
        "svg", *parts, class_="cells", width=width, height=HEIGHT,
        viewBox=f"0 0 {svg.coordinate(width)} {svg.coordinate(HEIGHT)}", role="img", aria_label=label,
    )  # fmt: skip
