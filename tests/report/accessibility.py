"""axe-core in the browser of the tests: what it finds in a page, in every width and colour scheme."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from browsing import look
from playwright.sync_api import Page

VIEWS = ((380, False), (380, True), (1600, False), (1600, True))
"""Width in pixels, and whether the colours are dark."""
_STAY = "document.querySelectorAll('[data-reload]').forEach(one => { one.checked = false })"
_UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"
_RUN = """
axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.flatMap(one => one.nodes.map(
  node => `${one.id} (${one.impact}): ${node.target.join(" ")}: ${node.failureSummary.replaceAll(/\\s+/g, " ")}`)))
"""


def violations(page: Page) -> Iterator[str]:
    """Yield what axe finds in the page that is open, with everything unfolded, in each view; it stops reloading itself."""
    page.evaluate(f"{_STAY}; {_UNFOLD}")
    page.evaluate(f"{_source()}; null")
    for width, dark in VIEWS:
        look(page, width=width, dark=dark)
        yield from (f"{width} px, {'dark' if dark else 'light'}: {text}" for text in page.evaluate(_RUN))


@cache
def _source() -> str:
    return (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
