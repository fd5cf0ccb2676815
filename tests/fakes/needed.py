"""Programs that some tests need and Python does not bring."""

from __future__ import annotations

import os
import shutil

import pytest


def needed_program(*names: str, package: str, purpose: str) -> str:
    """The path of the first of these programs that is installed.

    Without any the test is skipped with a reason that says what to install; where CI=true it fails instead.
    package: the Debian package that brings the program. purpose: what the tests need it for.
    """
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        reason = f"needs {names[0]} {purpose}: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
