"""Which recorded scenario an argument means, for commands about exactly one."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from harness.cli.options import runs_folder
from harness.cli.replay_once import REPLAY
from harness.errors import RecordError, UsageError
from harness.report.facts import from_here
from harness.run_folder import RecordedRun, all_runs, find_run


def scenario_folder(text: str, args: argparse.Namespace, *, command: str) -> Path:
    """Return the folder of the scenario that ``text`` names; ``latest`` is the newest run that is no replay itself.

    args: with the options of the folder of runs. command: for the choices that an error shows. Raises UsageError for a
    run with several scenarios or none, and RecordError if there is no run.
    """
    found = _newest(runs_folder(args)) if text == "latest" else find_run(text, Path())
    if len(found.bundles) == 1:
        return found.bundles[0]
    choices = "".join(f"\n  {command} {shlex.quote(from_here(folder))}" for folder in found.bundles)
    raise UsageError(
        f"{found.folder}: expected a run with one scenario, or the folder of one, found {len(found.bundles)} scenarios"
        f"{f'; choose one of them:{choices}' if choices else ''}"
    )


def _newest(out: Path) -> RecordedRun:
    every = all_runs(out)
    runs = [run for run in every if next(run.folder.glob(f"{REPLAY}*"), None) is None]
    if not runs:
        found = "replays only" if every else "none"
        raise RecordError(f"{out}: expected recorded runs, found {found}; run a scenario first")
    return runs[-1]
