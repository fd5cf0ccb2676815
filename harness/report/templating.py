"""Render templates: everything is escaped, control characters are removed, and a page needs nothing else.

Templates, style sheets and scripts are in ``templates/``. A document allows its own script and nothing else to run, and
it fetches nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.model import formatting
from harness.model.units import format_duration
from harness.printable import printable, without_controls
from harness.report.findings import minus


def document(template: str, script_name: str, **values: object) -> str:
    """Return a whole page: a template that extends ``document.html``, with the style sheet and one script."""
    script = asset(script_name)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return rendered(template, **values, style=asset("style.css"), script=script, script_hash=f"sha256-{digest}")


def part(template: str, **values: object) -> Markup:
    """Return a part of a page, which other templates include without escaping."""
    return Markup(rendered(template, **values))  # noqa: S704 - the template escapes its values


def rendered(template: str, **values: object) -> str:
    """Return the template with these values, without control characters."""
    return without_controls(environment().get_template(template).render(**values))


def asset(name: str) -> Markup:
    """Return our own style sheet or script without escaping."""
    text = files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own file


@cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["minus"] = minus
    made.globals["duration"] = format_duration
    made.globals["counted"] = formatting.counted
    made.globals["score_text"] = formatting.points
    made.globals["marks"] = {str(verdict): mark for verdict, mark in formatting.MARKS.items()}
    return made


def _printable(value: object) -> object:
    """Return a value of a template as it is shown; our own markup stays as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
