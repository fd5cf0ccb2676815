"""One browser for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import chromium
import pytest
from needed import needed_program


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    """A tab of a real Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = needed_program(*names, package="chromium", purpose="to test reports in a real browser")
    with chromium.browser(program, tmp_path_factory.mktemp("chromium")) as tab:
        yield tab
