"""The hooks of the plugin.

The outcomes of a test are attached to its report as plain values, because xdist sends reports between processes. They
are set through ``vars`` because pytest's class does not declare them.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

import pytest

from harness.clients.processes.parent import end_with_parent
from harness.errors import CanaryFinding, HarnessError
from harness.plugin import account, locust_plugin
from harness.plugin.account import Account, worst
from harness.plugin.bookkeeping import WORKER_ACCOUNT, Bookkeeper
from harness.plugin.junit_states import write_states
from harness.plugin.kinds import kind_of, raised_by_harness
from harness.plugin.matrix import ABOUT
from harness.plugin.options import ATTACHED, OUTCOMES, SESSION, Session, add_options
from harness.plugin.run_mark import RunMark
from harness.plugin.workers import Worker
from harness.session_end import claim

if TYPE_CHECKING:
    from harness.gate import Outcome

_WITH_TRACE = 2
"""From ``-vv`` on, our own errors are shown with a traceback; otherwise their message is enough."""
_SCENARIO_FIXTURE = "_harness_test"
"""Every fixture that a scenario works with requests this one."""
_FAILED: pytest.StashKey[bool] = pytest.StashKey()
"""Whether a report of the item's current attempt has failed."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the group ``harness``, and keep Locust's plugin out; pytest calls this as it loads plugins."""
    locust_plugin.keep_out(pluginmanager, parser)
    add_options(parser)


@pytest.hookimpl(trylast=True)  # pytest has opened its JUnit XML by then
def pytest_configure(config: pytest.Config) -> None:
    """Create the session, which reads its settings when they are first needed, and register the optional parts."""
    config.stash[SESSION] = Session(config)
    config.addinivalue_line("markers", ABOUT)
    note = claim(os.environ)
    if note is not None:
        end_with_parent()  # harness run waits for us, and may be killed
    keeper = Bookkeeper(config, config.stash[SESSION].account, note=note)
    config.pluginmanager.register(keeper, "harness-account")
    config.pluginmanager.register(RunMark(), "harness-run-mark")
    write_states(config)
    if config.pluginmanager.hasplugin("html"):
        from harness.plugin.html import HtmlReport

        session = config.stash[SESSION]
        config.pluginmanager.register(HtmlReport(lambda: session.run_name), "harness-html")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_XdistController(), "harness-xdist")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return one line that says where scenarios run, if any option of ours was given."""
    target, *others = (config.getoption(f"--harness-{name}") for name in ("target", "config", "seed"))
    if target is None and others == [None, None]:
        return None
    from harness.model.seed_scope import SHORT

    return f"harness: target {target or 'as configured'}, seed {config.stash[SESSION].seed} ({SHORT})"


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> str | None:
    """Return one line that says where scenarios will run, if there are any among the tests."""
    if not any(map(_is_scenario, items)):
        return None
    try:
        return f"harness: {config.stash[SESSION].described}"
    except HarnessError as error:
        return f"harness: {error}"  # each scenario fails with it


@pytest.hookimpl(tryfirst=True)  # before the terminal's lines, so that Ctrl-C while they are made is known to be ours
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which of the selected tests are scenarios."""
    _account(session.config).expect(item.nodeid for item in _scenarios(session.items))


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    """Count the scenarios that were deselected, for the message of a session that judged nothing."""
    for item in _scenarios(items):
        _account(item.config).deselected += 1


def _scenarios(items: Iterable[pytest.Item]) -> Iterable[pytest.Item]:
    return (item for item in items if _is_scenario(item))


def _is_scenario(item: pytest.Item) -> bool:
    return _SCENARIO_FIXTURE in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that was only planned as skipped, once all of its runs are listed."""
    if not (item.config.stash[SESSION].plans_only and _is_scenario(item)):
        return (yield)
    from harness.plugin.planning import PLANS, ended

    return (yield from ended(item.stash[PLANS]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the verdicts, texts and fragments of a test's outcomes to its reports, and let the outcomes go after it.

    This is the outermost wrapper, so that it sees what other plugins, such as xfail, have made of the report. Pytest
    keeps every item until the session ends; with its outcomes it would keep the samples of every run.
    """
    report = yield
    if call.excinfo is not None:
        _say_why(report, item, call.excinfo.value)
    outcomes = item.stash.get(OUTCOMES, [])
    fresh = outcomes[item.stash.get(ATTACHED, 0) :]
    if _is_scenario(item) or outcomes:
        vars(report)["harness_raised"] = True
        vars(report)["harness_verdicts"] = _account(item.config).verdicts(item.nodeid)
    if fresh:
        from harness.plugin.reporting import attach

        attach(report, item, fresh)
        item.stash[ATTACHED] = len(outcomes)
    last_part = report.when == "call" or (report.when == "setup" and report.skipped)
    if last_part and item.config.stash[SESSION].plans_only:
        from harness.plugin.planning import PLANS

        plan = item.stash.get(PLANS, None)
        vars(report)["harness_planned"] = [] if plan is None else plan.lines
    _fail_unasked(report, item, outcomes)
    if report.when == "teardown" and outcomes:
        del item.stash[OUTCOMES]
        item.user_properties.clear()  # every report has a copy, and pytest keeps the item until the session ends
    return report


def _say_why(report: pytest.TestReport, item: pytest.Item, error: BaseException) -> None:
    """Attach the kind of failure; shorten our own errors to their message."""
    if not report.failed:
        return
    vars(report)["harness_kind"] = kind_of(error, in_call=report.when == "call")
    vars(report)["harness_raised"] = raised_by_harness(error)
    if isinstance(error, HarnessError | CanaryFinding) and item.config.get_verbosity() < _WITH_TRACE:
        report.longrepr = f"{type(error).__name__}: {error}"


def _fail_unasked(report: pytest.TestReport, item: pytest.Item, outcomes: list[Outcome]) -> None:
    """Make the test fail for a verdict other than pass if it has not failed by itself.

    That is so if the test does not call require_pass(), swallows the error, is skipped afterwards or expects to fail.
    """
    if report.when == "setup":
        item.stash[_FAILED] = False
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    kind = worst(outcome.analysis.verdict.value for outcome in outcomes)
    if report.when == "setup" or item.stash[_FAILED] or not kind or not _account(item.config).rules.unasked_fails:
        return
    reason = next(outcome.analysis.reason for outcome in outcomes if outcome.analysis.verdict.value == kind)
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    report.outcome, item.stash[_FAILED] = "failed", True
    vars(report)["harness_kind"] = kind
    report.longrepr = (
        f"{kind}: {reason}\nThe test did not fail, but its verdict counts: call require_pass(), or use "
        "--harness-unasked=warn if verdicts are only to be shown."
    )


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show trouble as E, a marginal verdict as M and an inconclusive one as I. None of them is a canary failure."""
    if report.when != "call" or not report.failed:
        return None
    match getattr(report, "harness_kind", ""):
        case account.MARGINAL:
            return "marginal", "M", ("MARGINAL", {"yellow": True})
        case account.INCONCLUSIVE:
            return "inconclusive", "I", ("INCONCLUSIVE", {"yellow": True})
        case account.TROUBLE | account.USAGE if getattr(report, "harness_raised", False):
            return "error", "E", ("ERROR", {"red": True})
        case _:
            return None


def _account(config: pytest.Config) -> Account:
    return config.stash[SESSION].account


class _XdistController:
    """Hooks that only exist where xdist is installed."""

    def pytest_configure_node(self, node: Worker) -> None:
        """Give every worker the same seed and the same run folder."""
        session = node.config.stash[SESSION]
        node.workerinput["harness_seed"] = session.seed
        node.workerinput["harness_run"] = session.run_name

    def pytest_testnodedown(self, node: Worker) -> None:
        """Take over the account of a worker that has ended; one that crashed has none."""
        exported = getattr(node, "workeroutput", {}).get(WORKER_ACCOUNT)
        if exported is not None:
            _account(node.config).merge(node.gateway.id, exported)
