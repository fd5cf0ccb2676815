"""The hooks of the plugin.

The outcomes of a test are attached to its report as plain values, because xdist sends reports between processes.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CanaryFinding, CanaryInconclusive, CanaryMarginal, CanaryRegression, HarnessError
from harness.model.verdict import Verdict
from harness.plugin.options import OUTCOMES, SESSION, Session, add_options

_KINDS: Mapping[type[BaseException], str] = {
    CanaryRegression: "fail",
    CanaryMarginal: "marginal",
    CanaryInconclusive: "inconclusive",
}
_CODES = {"fail": 1, "trouble": 12, "usage": 2, "inconclusive": 11, "marginal": 10}
"""Exit codes by kind of failure. If a session has several kinds, the first one in this order decides."""
_PACKAGE = Path(__file__).parents[1]
_WITH_TRACE = 2
"""From ``-vv`` on, our own errors are shown with a traceback; otherwise their message is enough."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group ``harness``."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Create the session, which reads its settings when they are first needed, and register the optional parts."""
    config.stash[SESSION] = Session(config)
    if config.pluginmanager.hasplugin("html"):
        from harness.plugin.html import HtmlReport

        config.pluginmanager.register(HtmlReport(), "harness-html")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_XdistController(), "harness-xdist")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return one line that says where scenarios run, if any option of ours was given."""
    target, *others = (config.getoption(f"--harness-{name}") for name in ("target", "config", "seed"))
    if target is None and others == [None, None]:
        return None
    return f"harness: target {target or 'as configured'}, seed {config.stash[SESSION].seed}"


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> str | None:
    """Return one line that says where scenarios will run, if there are any among the tests."""
    if not any("_harness_test" in getattr(item, "fixturenames", ()) for item in items):
        return None
    try:
        return f"harness: {config.stash[SESSION].described}"
    except HarnessError as error:
        return f"harness: {error}"  # each scenario fails with it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the verdicts, texts and fragments of a test's outcomes to its reports."""
    report = yield
    outcomes = item.stash.get(OUTCOMES, [])
    if call.excinfo is not None:
        error = call.excinfo.value
        report.harness_kind = _kind(error)  # type: ignore[attr-defined]
        if isinstance(error, HarnessError | CanaryFinding) and item.config.get_verbosity() < _WITH_TRACE:
            report.longrepr = f"{type(error).__name__}: {error}"
    if report.when == "call" and outcomes:
        from harness.plugin.reporting import attach

        attach(report, item, outcomes)
    return report


def _kind(error: BaseException) -> str:
    if isinstance(error, CanaryFinding):
        return _KINDS[type(error)]
    if isinstance(error, HarnessError):
        return "usage" if error.exit_code == 2 else "trouble"
    return "fail" if isinstance(error, AssertionError) or not _ours(error) else "trouble"


def _ours(error: BaseException) -> bool:
    """Return whether the harness raised it: a bug of ours says nothing about the canary."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).is_relative_to(_PACKAGE) for frame in frames)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show a marginal verdict as M and an inconclusive one as I: neither is a pass or a failure."""
    if report.when != "call" or not report.failed:
        return None
    match getattr(report, "harness_kind", ""):
        case "marginal":
            return "marginal", "M", ("MARGINAL", {"yellow": True})
        case "inconclusive":
            return "inconclusive", "I", ("INCONCLUSIVE", {"yellow": True})
        case _:
            return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write every analysis that is not a pass in full, and each pass in one line; the same for GitHub's job summary."""
    reports = [
        report for group in terminalreporter.stats.values() for report in group if hasattr(report, "harness_told")
    ]
    told = [one for report in reports for one in report.harness_told]
    if not told:
        return
    terminalreporter.write_line("")
    for one in sorted(told, key=lambda one: one["verdict"] == Verdict.PASS):
        terminalreporter.write_line(one["text"])
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write("\n\n".join(one["markdown"] for one in told) + "\n")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Replace pytest's exit code for failed tests with the code that says why they failed."""
    if exitstatus != pytest.ExitCode.TESTS_FAILED and not _stopped_by_xdist(session.config):
        return
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    stats = reporter.stats if reporter is not None else {}
    reports = [
        report for category in ("failed", "error", "marginal", "inconclusive") for report in stats.get(category, [])
    ]
    tests = [report for report in reports if hasattr(report, "harness_kind")]
    if exitstatus != pytest.ExitCode.TESTS_FAILED and not tests:
        return
    kinds = {getattr(report, "harness_kind", "fail") for report in reports}
    for kind, code in _CODES.items():
        if kind in kinds:
            session.exitstatus = code
            return


def _stopped_by_xdist(config: pytest.Config) -> bool:
    """Return whether xdist ended the run after ``-x`` or ``--maxfail``.

    Its exit code is then the one for an interrupted run, while pytest without xdist uses the one for failed tests.
    """
    return bool(getattr(config.pluginmanager.getplugin("dsession"), "shouldstop", False))


class _XdistController:
    """Hooks that only exist where xdist is installed."""

    def pytest_configure_node(self, node: Any) -> None:
        """Give every worker the same seed and the same run folder."""
        session = node.config.stash[SESSION]
        node.workerinput["harness_seed"] = session.seed
        node.workerinput["harness_run"] = session.run_name
