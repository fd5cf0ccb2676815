"""What holds for every test."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from needed import needed_program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A shell that runs us in the background has SIGINT ignored, and children would inherit that: Ctrl-C is under test here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Collection makes objects that all stay. Without this, each worker spends three seconds on looking for garbage among them
# during collection, and three more at the end of the session.
gc.disable()

_INNER = "-p no:hypothesispytest -p no:anyio -p no:platformdirs"
"""For sessions of pytest that tests start: plugins that no scenario uses. Hypothesis alone is half of a short session."""

_WAITING = ("runs", "cluster", "adversary", "plugin", "load", "server", "replay", "services")
"""The folders whose tests mostly wait for the processes that they start; those that take longest come first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Alternate files whose tests wait with files whose tests compute, so that workers do not all do the same at once.

    The files that wait, which take longest, are done early: a long file that begins last would keep one worker busy
    alone.
    """
    elsewhere = [item.nodeid for item in items if item.get_closest_marker("alone") and item.path.parent.name != "runs"]
    if elsewhere:
        raise pytest.UsageError(f"make test looks for tests that run alone in tests/runs only, found {elsewhere}")
    paths = dict.fromkeys(item.path for item in items)
    waiting = sorted(
        (path for path in paths if path.parent.name in _WAITING), key=lambda path: _WAITING.index(path.parent.name)
    )
    computing = [path for path in paths if path.parent.name not in _WAITING]
    places = {path: 0.8 * place / len(waiting) for place, path in enumerate(waiting)}
    places |= {path: place / len(computing) for place, path in enumerate(computing)}
    items.sort(key=lambda item: places[item.path])


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but not among what collecting made."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _inner_sessions() -> Iterator[None]:
    """Give the processes that tests start the options of inner sessions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", _INNER)
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of this process. While it runs, ``asyncio.run`` fails in the main thread."""
    import browsing  # noqa: PLC0415  # Playwright loads slowly, and few tests need it

    program = needed_program(*browsing.PROGRAMS, package="chromium", purpose="to test pages in a real browser")
    with browsing.chromium(program) as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that knows nothing of those of other tests: it has a context of its own."""
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give them to the sessions of pytest's own fixture too, which removes the variable."""
    monkeypatch.setenv("PYTEST_ADDOPTS", _INNER)
    return pytester


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which API servers stood in for the cluster, and how many attempts to get a wrong pass were made."""
    real = os.environ.get("HARNESS_TEST_KUBECONFIG")
    ran = f"the fake and the real one of {real}" if real else "the fake only (HARNESS_TEST_KUBECONFIG is not set)"
    terminalreporter.write_line(f"tests of the cluster ran against these Kubernetes API servers: {ran}")
    if attempts := _attempts(terminalreporter):
        passed = [nodeid for nodeid, held in attempts.items() if not held]
        result = f"these were not turned away: {', '.join(passed)}" if passed else "none got a wrong pass"
        terminalreporter.write_line(f"adversary: {len(attempts)} attempts, {result}")


def _attempts(terminalreporter: pytest.TerminalReporter) -> dict[str, bool]:
    """Return the tests of tests/adversary that ran, and whether the harness held in each."""
    held: dict[str, bool] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            if report.nodeid.startswith("tests/adversary/"):
                held[report.nodeid] = outcome == "passed"
    return held
