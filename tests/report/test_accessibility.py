"""axe-core finds nothing in any page that stands alone, at 380 and 1600 pixels, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import accessibility
import pytest
import standing_pages
from browsing import show
from playwright.sync_api import Page


@pytest.mark.parametrize("made", standing_pages.PAGES, ids=lambda made: made.__name__)
def test_axe_finds_nothing(page: Page, tmp_path: Path, made: Callable[[Path], Path]) -> None:
    """Contrast, names, roles, headings and landmarks are in order, with everything unfolded."""
    show(page, made(tmp_path))
    assert [] == list(accessibility.violations(page))
