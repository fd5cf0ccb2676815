"""Note in the folder of the run that the pytest session has ended, with which exit code, and write the run's page."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.plugin.options import SESSION
from harness.plugin.workers import Worker

_OUTPUT = "harness_run_folder"
"""Where an xdist worker puts the folder for the controller."""
_INTERRUPTED_CODES = (2, 130)


class RunMark:
    """The hooks that write the end of a run. Its start is written by the first scenario."""

    def __init__(self) -> None:
        """Begin without a scenario."""
        self._folders: set[Path] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Worker) -> None:
        """Take the run's folder from an xdist worker in which a scenario began."""
        folder = getattr(node, "workeroutput", {}).get(_OUTPUT)
        if folder:
            self._folders.add(Path(folder))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None]:
        """Write the end once every other plugin has set the exit code. An interrupted run stays unfinished."""
        begun = session.config.stash[SESSION].begun
        session.config.stash[SESSION].end()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = str(begun or "")
            return (yield)
        yield
        code = int(session.exitstatus)
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED and code in _INTERRUPTED_CODES
        for folder in {*self._folders, *([begun] if begun else [])}:
            _close(folder, session.config, None if interrupted else code)
        return None


def _close(folder: Path, config: pytest.Config, code: int | None) -> None:
    """Write the end of the run, unless it was interrupted, and its page. A page that cannot be written is a warning."""
    from harness.plugin.folders import bundle_name
    from harness.report.run_index import write_index
    from harness.run_folder import Trouble, finish_run

    troubles = [
        Trouble(place=place, kind=kind, message=message, folder=bundle_name(place) if "::" in place else "")
        for place, kind, message in config.stash[SESSION].account.troubles
    ]
    if code is not None:
        finish_run(folder, code, troubles)
    try:
        write_index(folder)
    except HarnessError as error:
        print(f"harness: warning: {error}", file=sys.stderr)  # noqa: T201 - the verdicts do not depend on it
