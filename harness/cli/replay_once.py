"""Carry out one replay of ``harness replay``: run it, record it, compare it with the record, and print that."""

from __future__ import annotations

import argparse
import shlex
import sys

from harness.cli.output import clean_print as print
from harness.cli.replay_words import told_lines
from harness.console import noting, reverted, waiting, watcher
from harness.errors import HarnessError
from harness.model.names import new_run_id
from harness.replay.comparing import Comparison, compared
from harness.replay.keeping import hold
from harness.replay.running import Played, Standing, replayed
from harness.replay.staging import Stage
from harness.report.run_index import write_index
from harness.run_folder import Trouble, finish_run, working_on

REPLAY = "replay-"
"""How the folders of replays begin."""


def replay_once(args: argparse.Namespace, stage: Stage, *, quiet: bool = False) -> Comparison:
    """Replay once, record it and, unless ``quiet``, print the comparison."""
    folder = (args.out or stage.config.out).absolute() / new_run_id() / f"{REPLAY}{stage.asked.folder.name}"
    changes: list[str] = []
    tell = noting(changes, watcher(sys.stderr))
    tell(waiting("local"))
    told: list[Comparison] = []

    def judged(played: Played, world: Standing | None) -> None:
        finish_run(folder.parent, played.outcome.analysis.verdict.exit_code)
        write_index(folder.parent)
        told.append(compared(stage.asked, played.outcome, cannot=stage.cannot))
        for line in () if quiet else told_lines(stage, played, told[0]):
            print(line, flush=True)
        if args.keep and world is not None:
            hold(stage, world, lambda line: print(line, flush=True))

    again = f"harness replay {shlex.quote(str(args.bundle))}"
    try:
        with working_on(folder.parent):
            played = replayed(stage, folder, again=again, notify=tell, afterwards=judged)
    except KeyboardInterrupt:
        print(reverted(changes), file=sys.stderr)
        raise
    except HarnessError as error:
        trouble = Trouble(place=folder.name, kind="trouble", message=str(error), folder=folder.name)
        finish_run(folder.parent, error.exit_code, [trouble])
        raise
    if not told:  # an arm died before any load was sent, so there is no mesh to keep
        judged(played, None)
    return told[0]
