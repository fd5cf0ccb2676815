"""One browser for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import chromium
import pytest


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    """A tab of a real Chromium; where there is none, tests are skipped, except in CI, where they fail."""
    if chromium.PROGRAM is None:
        reason = "no chromium on the PATH: install it (Debian: apt install chromium) to test reports in a real browser"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium.browser(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab
