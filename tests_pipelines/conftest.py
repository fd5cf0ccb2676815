"""Checks of pipelines/ and deploy/ with the tools that read such files; ``make pipelines-check`` installs and runs them.

A missing tool ends the run as wrong usage; nothing is skipped.
"""

from __future__ import annotations

import pytest


def pytest_configure() -> None:
    """End the run at once where a tool is missing."""
    import checkers  # noqa: PLC0415 - tests import it too, and the message should come first

    if missing := checkers.missing():
        raise pytest.UsageError(f"missing: {', '.join(missing)}. Run: make pipelines-check")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest, so that it does not keep one worker busy alone at the end."""
    items.sort(key=lambda item: item.path.stem != "test_brigade_jobs")
