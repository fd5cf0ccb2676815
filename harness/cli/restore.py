"""``harness restore``: undo what runs left behind in a cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.cli.output import clean_print as print
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import RollbackError, UsageError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.convergence import Convergence
from harness.mesh.cluster.recovery.journal import journalled, left_on_disk
from harness.mesh.cluster.recovery.reaping import Reaped, reap, reason_to_undo, restore
from harness.mesh.cluster.safety.limits import require_namespace
from harness.model.cluster import ClusterSettings

HELP = (
    "Undo what dead runs left in a cluster, and verify it. What someone else changed since then is left alone. "
    "It is safe to repeat."
)
EXAMPLES = """\
  harness restore --dry-run            print what would be undone, and why
  harness restore                      undo the changes of dead runs, and those whose time to live is over
  harness restore --run 20261123-094210-a1f37c02   undo the changes of one run; if it is alive, it ends
  harness restore --all                undo the changes of every run, also of those that are alive
  harness restore --journal reports/x/journal.jsonl   use a run's own file, if the cluster lost its journal
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", dest="owner", metavar="ID", help="undo every change of this run, even if it is alive")
    which.add_argument(
        "--all", action="store_true", help="undo every change of every run, even of those that are alive"
    )
    which.add_argument("--journal", type=Path, metavar="FILE", help="undo every change in this local journal")
    parser.add_argument("--dry-run", action="store_true", help="print what would be undone, and change nothing")
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Undo what the options name and return 0. Raises RollbackError if something could not be undone."""
    if args.journal is not None and not args.journal.is_file():
        raise UsageError(f"--journal: expected the journal of a run, found no file {args.journal}")
    settings, namespace = settings_of(args)
    with closing(connected(settings, None, tell=_tell)) as kube:
        require_namespace(kube, namespace)
        if args.dry_run:
            _print_plan(args, kube, namespace)
            return 0
        settle = Convergence(kube, namespace, settings)
        done = _undone(args, kube, namespace, settings, settle)
        for item in done:
            print(f"{item.change.owner}: {item.change.name}: {item.trouble or settle.said}")
        if any(item.trouble for item in done):
            raise RollbackError("not everything could be undone; the lines above say what to do by hand")
        if settle.lagging:
            raise RollbackError(settle.said)
        if not done:
            _print_left_alone(len(journalled(kube, namespace)), kube.commands.harness("faults", namespace))
    return 0


def _print_plan(args: argparse.Namespace, kube: Kubernetes, namespace: str) -> None:
    """Print for each change whether it would be undone, and why."""
    if args.journal:
        changes = [change for _, change in left_on_disk(args.journal)]
    else:
        changes = [change for change in journalled(kube, namespace) if args.owner in (None, change.owner)]
    for change in changes:
        reason = reason_to_undo(kube, namespace, change)
        would = reason or args.owner or args.all or args.journal
        fate = "would be undone" if would else "its run is alive, so it would be left alone"
        print(f"{change.owner}: {change.name} by {change.made_by}: {fate}{f': {reason}' if reason else ''}")
    print("nothing was changed" if changes else "nothing to undo")


def _undone(
    args: argparse.Namespace, kube: Kubernetes, namespace: str, settings: ClusterSettings, settle: Convergence
) -> Sequence[Reaped]:
    """Undo what the options name, and return what was done."""
    patience_s = settings.patience_s
    if args.journal:
        left = left_on_disk(args.journal)
        why = "requested by harness restore --journal"
        return [
            restore(kube, place, change, reason=why, patience_s=patience_s, tell=_tell, settle=settle)
            for place, change in left
        ]
    return reap(
        kube,
        namespace,
        patience_s=patience_s,
        tell=_tell,
        living=bool(args.owner or args.all),
        owner=args.owner,
        settle=settle,
    )


def _print_left_alone(count: int, look: str) -> None:
    if count:
        print(f"{count} changes of runs that are alive were left alone; see {look}")
    print("nothing to undo")


def _tell(text: str) -> None:
    print(f"harness: {text}", file=sys.stderr)
