"""``harness restore``: undo what runs left behind in a cluster."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.errors import RollbackError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.convergence import Convergence
from harness.mesh.cluster.recovery.journal import journalled, left_on_disk
from harness.mesh.cluster.recovery.reaping import reap, reason_to_undo, restore

HELP = "Undo what dead runs left in a cluster; verified, safe to repeat, and it leaves alone what others changed meanwhile."
EXAMPLES = """\
  harness restore --dry-run            what would be undone, and why
  harness restore                      everything of dead runs, and of those whose time is over
  harness restore --run r20261123-1    everything of one run, also if it lives: it is stopped
  harness restore --all                everything of every run, also of those that live
  harness restore --journal reports/x/journal.jsonl   from a run's own file, when the cluster lost its journal
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, where."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", dest="owner", metavar="ID", help="everything of this run, whether it lives or not")
    which.add_argument("--all", action="store_true", help="everything of every run, whether it lives or not")
    which.add_argument("--journal", type=Path, metavar="FILE", help="everything that this local journal holds")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 when nothing is left to undo."""
    settings, namespace = settings_of(args)
    with closing(connected(settings, None, tell=_tell)) as kube:
        left = left_on_disk(args.journal) if args.journal else ()
        if args.dry_run:
            changes = [change for _, change in left] or [
                change for change in journalled(kube, namespace) if args.owner in (None, change.owner)
            ]
            for change in changes:
                reason = reason_to_undo(kube, namespace, change)
                asked = (
                    "would be undone" if reason or args.owner or args.all or args.journal else "lives, would be left"
                )
                print(f"{change.owner}: {change.name} by {change.made_by}: {asked}{f': {reason}' if reason else ''}")
            print("nothing to undo" if not changes else "nothing was changed")
            return 0
        settle = Convergence(kube, namespace, settings)
        if args.journal:
            done = tuple(
                restore(
                    kube, place, change, reason="asked for", patience_s=settings.patience_s, tell=_tell, settle=settle
                )
                for place, change in left
            )
        else:
            forced = bool(args.owner or args.all)
            done = reap(
                kube,
                namespace,
                patience_s=settings.patience_s,
                tell=_tell,
                living=forced,
                owner=args.owner,
                settle=settle,
            )
        for item in done:
            print(f"{item.change.owner}: {item.change.name}: {item.trouble or settle.said}")
        if any(item.trouble for item in done):
            raise RollbackError("not everything could be undone; what to do by hand stands above")
        if settle.lagging:
            raise RollbackError(settle.said)
        _say_what_lives(journalled(kube, namespace) if not done else ())
    if not done:
        print("nothing to undo")
    return 0


def _say_what_lives(changes: tuple[object, ...]) -> None:
    if changes:
        print(f"{len(changes)} changes of living runs were left alone; see harness faults")


def _tell(text: str) -> None:
    print(f"harness: {text}", file=sys.stderr)
