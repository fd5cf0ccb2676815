"""Every page that stands alone can be printed: nothing is cut off, folded away or asks to be clicked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import printing
import pytest
import standing_pages
from browsing import show
from playwright.sync_api import Page


@pytest.mark.parametrize("made", standing_pages.PAGES, ids=lambda made: made.__name__)
def test_it_prints(page: Page, tmp_path: Path, made: Callable[[Path], Path]) -> None:
    """On A4 paper, also where the reader prefers dark colours."""
    show(page, made(tmp_path), width=printing.A4, dark=True)
    assert [] == printing.faults(page)
    assert page.pdf(format="A4").startswith(b"%PDF")
