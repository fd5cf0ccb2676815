"""Write undecided verdicts and trouble to JUnit XML as other states than ``<failure>``.

CI servers show ``<failure>`` as a defect of the product. Trouble becomes ``<error>``; an inconclusive or marginal
verdict becomes ``<skipped>``, because nothing was shown to be wrong and a person decides. pytest has no public way to
choose the state, so this replaces two methods of its reporter for a test. A test of ours fails if they disappear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from _pytest.junitxml import bin_xml_escape, xml_key

from harness.plugin.account import FAIL, INCONCLUSIVE, MARGINAL, TROUBLE, USAGE

STATES: Mapping[str, str] = {
    FAIL: "failure",
    TROUBLE: "error",
    USAGE: "error",
    MARGINAL: "skipped",
    INCONCLUSIVE: "skipped",
}
"""The element of JUnit XML for each kind of failure."""


def write_states(config: pytest.Config) -> None:
    """Let the JUnit XML of this session, if there is one, use these states."""
    xml: Any = config.stash.get(xml_key, None)  # as below
    if xml is not None:
        xml.node_reporter = partial(_reporter, xml.node_reporter)


def _reporter(original: Callable[[pytest.TestReport], Any], report: pytest.TestReport) -> Any:
    reporter = original(report)  # Any: mypy lets nobody replace the methods of an object
    kind = getattr(report, "harness_kind", "") if getattr(report, "harness_raised", False) else ""
    if kind and report.failed:
        reporter.append_failure = reporter.append_error = partial(_append, reporter, kind)
    return reporter


def _append(reporter: Any, kind: str, report: pytest.TestReport) -> None:
    text = str(report.longrepr)
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash is not None else text).strip()
    element = Element(STATES[kind], message=str(bin_xml_escape(message)), type=f"harness.{kind}")
    element.text = str(bin_xml_escape(text))
    reporter.append(element)
