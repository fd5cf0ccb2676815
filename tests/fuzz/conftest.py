"""Print how many inputs the readers got."""

from __future__ import annotations

import fuzzing
import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of a worker of pytest-xdist to its controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["fuzz_counts"] = dict(fuzzing.COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Add the counts of a worker that has ended."""
    fuzzing.COUNTS.update(getattr(node, "workeroutput", {}).get("fuzz_counts", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the number of inputs for each reader and the total."""
    for target, count in sorted(fuzzing.COUNTS.items()):
        terminalreporter.write_line(f"fuzz: {count:>10,} inputs for {target}")
    if fuzzing.COUNTS:
        terminalreporter.write_line(f"fuzz: {fuzzing.COUNTS.total():>10,} inputs in all")
