"""Tell what the failure of a test is about: the canary, or trouble of the harness or of the scenario."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import CanaryFinding, CanaryInconclusive, CanaryMarginal, CanaryRegression, HarnessError
from harness.plugin.account import FAIL, INCONCLUSIVE, MARGINAL, TROUBLE, USAGE, worst

_FINDINGS: Mapping[type[BaseException], str] = {
    CanaryRegression: FAIL,
    CanaryMarginal: MARGINAL,
    CanaryInconclusive: INCONCLUSIVE,
}
_PACKAGE = Path(__file__).parents[1]
_SCENARIOS = _PACKAGE / "demo" / "project"
"""Scenarios that are installed with the harness; an assertion in them is one of a test."""
_HOOK_CALLER = "pluggy"
"""The package that calls hooks, and so the test."""
_TIMEOUT_PLUGIN = "pytest_timeout"
"""pytest-timeout ends a test that hangs with ``pytest.fail``, wherever the test is at that moment."""


def kind_of(error: BaseException, *, in_call: bool) -> str:
    """Return the kind of failure that ``error`` is.

    in_call: whether the test itself raised it, not its set-up or tear-down. Only an assertion of the test itself, or
    ``pytest.fail`` in it, is a finding; every other exception of a scenario, such as a TypeError, is trouble.
    """
    if isinstance(error, BaseExceptionGroup):
        return worst(kind_of(one, in_call=in_call) for one in error.exceptions)
    if isinstance(error, CanaryFinding):
        return next((kind for finding, kind in _FINDINGS.items() if isinstance(error, finding)), FAIL)
    if isinstance(error, HarnessError):
        return USAGE if error.exit_code == 2 else TROUBLE
    asserted = isinstance(error, AssertionError | pytest.fail.Exception)
    return FAIL if in_call and asserted and not _foreign(error) else TROUBLE


def raised_by_harness(error: BaseException) -> bool:
    """Return whether ``error`` is one that the harness raises on purpose."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(raised_by_harness, error.exceptions))
    return isinstance(error, HarnessError | CanaryFinding)


def _foreign(error: BaseException) -> bool:
    """Return whether a bug in the harness or a time limit raised the error; neither is evidence about the canary.

    Hooks of the harness that surround the test are in the traceback too, before the last call of a hook.
    """
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    called = max((place for place, file in enumerate(files) if file.parent.name == _HOOK_CALLER), default=-1)
    return any(
        file.stem == _TIMEOUT_PLUGIN or (file.is_relative_to(_PACKAGE) and not file.is_relative_to(_SCENARIOS))
        for file in files[called + 1 :]
    )
