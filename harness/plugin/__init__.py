"""The pytest plugin: options, fixtures and short hooks.

Every pytest run loads it where the package is installed, so it imports nothing heavy: scipy, numpy, the load generator
and the clients are imported by the fixtures.
"""

from __future__ import annotations

from harness.plugin.fixtures import _harness_test, canary, chaos, harness_config, load, mesh
from harness.plugin.hooks import (
    pytest_addoption,
    pytest_collection_finish,
    pytest_configure,
    pytest_deselected,
    pytest_report_collectionfinish,
    pytest_report_header,
    pytest_report_teststatus,
    pytest_runtest_call,
    pytest_runtest_makereport,
)

__all__ = [
    "_harness_test",
    "canary",
    "chaos",
    "harness_config",
    "load",
    "mesh",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_deselected",
    "pytest_report_collectionfinish",
    "pytest_report_header",
    "pytest_report_teststatus",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
]
