"""Render the pages with the report's own style and icons."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader

from harness.printable import without_controls
from harness.report.templating import environment

_COLORS = {
    "pass": "#1a7f4b",
    "fail": "#c4262e",
    "marginal": "#8a5a00",
    "inconclusive": "#6a4bc4",
    "running": "#2a6fb8",
    "trouble": "#57606a",
}


def render(template: str, **values: object) -> str:
    """Render a page. Every text from outside is escaped and loses its control characters."""
    page = _environment().get_template(template)
    return without_controls(page.render(**values, favicon=favicon, sparkline=sparkline, moment=_moment))


def style() -> str:
    """Return the style sheet: the report's, and that of the pages."""
    report = files("harness.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    return report + files("harness.server").joinpath("templates", "live.css").read_text(encoding="utf-8")


def script() -> str:
    """Return the script of the pages."""
    return files("harness.server").joinpath("templates", "live.js").read_text(encoding="utf-8")


def favicon(state: str) -> str:
    """Return a small picture whose colour is that of a state, as a data URL."""
    color = _COLORS.get(state, _COLORS["trouble"]).replace("#", "%23")
    circle = f"<circle cx='8' cy='8' r='7' fill='{color}'/>"
    return f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>{circle}</svg>"


def sparkline(values: list[float | None], *, width: int = 240, height: int = 36) -> str:
    """Return the points of an SVG polyline for a series that begins at zero; a gap is left out."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0) or 1.0
    step = width / max(len(values) - 1, 1)
    return " ".join(
        f"{index * step:.1f},{height - 2 - value / top * (height - 4):.1f}"
        for index, value in enumerate(values)
        if value is not None
    )


def _moment(epoch_s: float) -> str:
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S} UTC" if epoch_s else ""


@cache
def _environment() -> Environment:
    """Return the report's environment, which also finds the templates of the pages."""
    return environment().overlay(
        loader=ChoiceLoader([PackageLoader("harness.server"), PackageLoader("harness.report")])
    )
