"""What pages say, as text that people can compare: one line for each piece of text, with charts by their labels.

``python tests/report/golden_pages.py`` writes the files in ``golden/`` again, as the pages are now.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":  # pytest adds these folders itself
    sys.path[:0] = map(str, Path(__file__).parents[1].iterdir())

import standing_pages as pages

GOLDEN = Path(__file__).parent / "golden"
MADE = {"report": pages.report, "run-index": pages.run_index, "history": pages.history, "release": pages.release}
_SCRUBS = (
    (re.compile(r"(?<=^Started \| )20\d\d.* UTC$", re.MULTILINE), "(time)"),
    (re.compile(r"(?<=^Duration \| )[\d.]+ m?s$", re.MULTILINE), "(seconds)"),
)
"""What differs from run to run: when the run of the index was made, and how long that took."""
_CELLS = frozenset({"td", "th", "dt", "dd"})
_INLINE = frozenset({"span", "code", "strong", "b", "a", "small", "em", "label", "abbr", "button", "output", *_CELLS})
_EMPTY = frozenset({"meta", "link", "input", "br", "img", "hr"})


class _Outline(HTMLParser):
    """Collects the text of each block; charts and hidden code are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._text: list[str] = []
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "svg" and not self._skipped and given.get("aria-label"):
            self._text.append(f" [chart: {given['aria-label']}] ")
        if self._skipped or tag in {"style", "script", "svg"}:
            if tag not in _EMPTY:
                self._skipped.append(tag)
            return
        if tag in _INLINE:
            self._text.append(" ")
        else:
            self._end()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing that ends where it begins has text."""

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            if tag == self._skipped[-1]:
                self._skipped.pop()
            return
        if tag in _CELLS:
            self._text.append(" | ")
        elif tag not in _INLINE:
            self._end()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._text.append(data)

    def _end(self) -> None:
        text = " ".join("".join(self._text).split()).strip(" |")
        self._text = []
        if text:
            self.lines.append(text)


def outline(page: str, folder: Path) -> str:
    """Return the text of a page that was made in a folder, without what differs from run to run."""
    reader = _Outline()
    reader.feed(page.replace(str(folder), "(folder)"))
    reader.close()
    text = "\n".join(reader.lines) + "\n"
    for pattern, instead in _SCRUBS:
        text = pattern.sub(instead, text)
    return text


def outlines() -> Mapping[str, str]:
    """Return the outline of every page, by its name."""
    found = {}
    for name, made in MADE.items():
        with TemporaryDirectory() as folder:
            found[name] = outline(made(Path(folder)).read_text(encoding="utf-8"), Path(folder))
    return found


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for page_name, said in outlines().items():
        (GOLDEN / f"{page_name}.txt").write_text(said, encoding="utf-8")
