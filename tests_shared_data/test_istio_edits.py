"""Splits and faults of Istio's own Bookinfo files, and their undo."""

from __future__ import annotations

import pytest
from edit_checks import check_faulted, check_restored, check_split
from shared_data import ISTIO
from virtual_services import resources_of

from harness.faults import abort, delay

FILES = sorted(path.name for path in ISTIO.glob("virtual-service-*.yaml"))


@pytest.mark.parametrize("file", FILES)
def test_bookinfo_files_are_split(file: str) -> None:
    """With Istio's own rules every file splits, and names no subset that is not there."""
    check_split(resources_of(ISTIO / file, ISTIO / "destination-rule-all.yaml"))


@pytest.mark.parametrize("file", FILES)
def test_bookinfo_files_are_restored(file: str) -> None:
    """Splits and faults of every file are undone to the last key."""
    check_restored(resources_of(ISTIO / file))


@pytest.mark.parametrize("file", FILES)
def test_bookinfo_files_are_faulted(file: str) -> None:
    """An abort of calls of reviews goes before every route of ratings."""
    fault = delay("ratings", "1s") if file.endswith("test-abort.yaml") else abort("ratings", 503)
    check_faulted(resources_of(ISTIO / file), fault)
