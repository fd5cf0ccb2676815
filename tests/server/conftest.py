"""One browser for the tests of the pages."""

from __future__ import annotations

from collections.abc import Iterator

import chromium
import pytest
from needed import needed_program


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    """A tab of a real Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = needed_program(*names, package="chromium", purpose="to test pages in a real browser")
    with chromium.browser(program, tmp_path_factory.mktemp("chromium")) as tab:
        yield tab
