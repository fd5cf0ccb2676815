"""The fixtures of the plugin, one for each thing that a scenario works with."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from harness.plugin.account import Account
from harness.plugin.folders import bundle_name, without_group
from harness.plugin.options import ATTACHED, OUTCOMES, SESSION, Session

if TYPE_CHECKING:
    from harness.config import Config
    from harness.mesh.port import Mesh
    from harness.model.record import Event
    from harness.model.verdict import Analysis
    from harness.plugin.subjects import Canary, Chaos, LoadSender, ScenarioContext
    from harness.runner.progress import Progress
    from harness.runner.settings import Notify


@pytest.fixture
def harness_config(request: pytest.FixtureRequest) -> Config:
    """The configuration: services, arms and objectives, as read from harness.yaml.
    Example: ``assert harness_config.service == "reviews"``.
    """  # noqa: D205 - without -v, pytest --fixtures shows the first paragraph only
    return request.config.stash[SESSION].config


@pytest.fixture
def _harness_test(request: pytest.FixtureRequest) -> Iterator[ScenarioContext]:
    from harness.plugin.matrix import matrix_of
    from harness.plugin.subjects import ScenarioContext

    session = request.config.stash[SESSION]
    session.account.begin(request.node.nodeid)
    with ScenarioContext(
        session,
        name=request.node.nodeid,
        folder_name=bundle_name(request.node.nodeid),
        again=_again(request, session),
        tell=_teller(request.config, session.account),
        test=request.function,
        about=_about(request.node),
        matrix=matrix_of(request.node),
    ) as test:
        request.node.stash[OUTCOMES] = test.outcomes
        request.node.stash[ATTACHED] = 0
        if test.plan is not None:
            from harness.plugin.planning import PLANS

            request.node.stash[PLANS] = test.plan
        yield test


@pytest.fixture
def mesh(_harness_test: ScenarioContext) -> Mesh:
    """The running services and proxies, with the Istio resources of the configuration. Each test has its own.
    Example: ``requests.get(mesh.entry().url)`` sends a request to the service under test.
    """  # noqa: D205
    return _harness_test.mesh


@pytest.fixture
def chaos(_harness_test: ScenarioContext) -> Chaos:
    """Inject faults into a running mesh; they are reverted at the end of the block.
    Example: ``with chaos.inject(delay("ratings", "2s", percent=30)): load.run("browse", "20s")``.
    """  # noqa: D205
    return _harness_test.chaos


@pytest.fixture
def load(_harness_test: ScenarioContext) -> LoadSender:
    """Send the requests of a load profile to both arms at once.
    Example: ``load.run("browse", "20s", rate=200)``.
    """  # noqa: D205
    return _harness_test.load


@pytest.fixture
def canary(_harness_test: ScenarioContext) -> Canary:
    """The canary and its baseline: run a whole scenario, or judge what the test did with ``load`` and ``chaos``.
    Example: ``canary.run(faults=[abort("ratings", 503, percent=20)]).require_pass()``.
    Example: ``canary.compare("latency_p99 < +10%").require_pass()``, after ``load.run``.
    """  # noqa: D205
    return _harness_test.canary


def _about(item: pytest.Item) -> str:
    """Return the first paragraph of the test's docstring in one line, of at most 500 characters."""
    text = inspect.getdoc(getattr(item, "function", None)) or ""
    return " ".join(text.partition("\n\n")[0].split())[:500]


def _again(request: pytest.FixtureRequest, session: Session) -> str:
    from harness.runner.manifest import runnable

    _, *names = without_group(request.node.nodeid).split("::")
    node_id = "::".join([os.path.relpath(request.node.path), *names])  # pytest's own id starts at its root folder
    is_default = session.target == "local" and request.config.getoption("--harness-target") is None
    target = "" if is_default else f" --harness-target={session.target}"
    given = request.config.getoption("--harness-config")
    config = f" --harness-config={given}" if given else ""
    return f'{runnable("pytest")} "{node_id}" --harness-seed={session.seed}{target}{config}'


def _teller(config: pytest.Config, account: Account) -> Notify:
    """Return what shows events and progress in spite of pytest's capturing, and notes what was reverted.

    Workers of xdist share the error stream of their controller, so each line begins with the worker's name.
    """
    from harness.console import noting, silent, watcher, within

    capture = config.pluginmanager.getplugin("capturemanager")
    if config.get_verbosity() < 0:
        return noting(account.reverted, silent)
    stream = sys.stderr if capture is None else sys.__stderr__ or sys.stderr
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    tell = watcher(stream, live=False, prefix=f"{worker}  ") if worker else watcher(stream)
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and not worker:
        tell = _on_lines_of_their_own(reporter, tell)
    return noting(account.reverted, tell if capture is None else within(capture.global_and_fixture_disabled, tell))


def _on_lines_of_their_own(reporter: pytest.TerminalReporter, tell: Notify) -> Notify:
    """Return ``tell``, which first ends the line in which pytest shows the file of the test."""

    def told(what: Event | Progress | Analysis) -> None:
        reporter.ensure_newline()
        reporter.flush()
        tell(what)

    return told
