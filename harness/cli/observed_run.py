"""The folder of a run that judges real users: begun, finished, and with a page, as that of a pytest run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError
from harness.gate import Outcome
from harness.model.names import new_run_id
from harness.report import run_index
from harness.run_folder import Trouble, begin_run, finish_run

NAME = "live-traffic"


def recorded_run(out: Path, judge: Callable[[Path], Outcome]) -> Outcome:
    """Return what ``judge`` says, which gets the folder of its bundle, in a new run in ``out``.

    An interrupted run stays unfinished. Raises HarnessError as ``judge`` does, which the run's mark tells.
    """
    folder = out.absolute() / new_run_id()
    begin_run(folder)
    try:
        outcome = judge(folder / NAME)
    except HarnessError as error:
        finish_run(folder, error.exit_code, [Trouble(place=NAME, kind="trouble", message=str(error), folder=NAME)])
        raise
    finish_run(folder, outcome.analysis.verdict.exit_code)
    run_index.write_index(folder)
    return outcome
