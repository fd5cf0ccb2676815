"""The pages say what they said before; a change of their texts and numbers is seen in a review."""

from __future__ import annotations

from pathlib import Path

import golden_pages
import pytest


@pytest.mark.parametrize("name", golden_pages.MADE)
def test_a_page_says_what_it_said_before(tmp_path: Path, name: str) -> None:
    """To accept a change: ``python tests/report/golden_pages.py``, and look at what it changed."""
    page = golden_pages.MADE[name](tmp_path).read_text(encoding="utf-8")
    expected = (golden_pages.GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert expected.splitlines() == golden_pages.outline(page, tmp_path).splitlines()
