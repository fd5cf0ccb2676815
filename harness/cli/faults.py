"""``harness faults``: list what runs have changed in a cluster now."""

from __future__ import annotations

import argparse
from contextlib import closing

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.cli.output import clean_print as print
from harness.clients.kubernetes.times import stamp
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.journal import JournalEntry, journalled
from harness.mesh.cluster.recovery.reaping import reason_to_undo
from harness.mesh.cluster.safety.limits import require_namespace

HELP = (
    "List the faults that are injected in a cluster now, with the run and the resource of each, when it ends, and "
    "whether the run is still alive."
)
EXAMPLES = """\
  harness faults
  harness faults --namespace shop --context kind-dev
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the changes in the journal. Return 0, even if there are some."""
    settings, namespace = settings_of(args)
    with closing(connected(settings, None)) as kube:
        require_namespace(kube, namespace)
        changes = journalled(kube, namespace)
        for change in changes:
            dead = reason_to_undo(kube, namespace, change)
            print(f"{change.name}")
            print(f"  run    {change.owner}, by {change.made_by}: {dead or 'alive'}")
            print(f"  until  {_end(change)}")
            for step in change.steps:
                print(f"  in     {step.label}")
            if dead:
                print(f"  undo   {kube.commands.harness(f'restore --run {change.owner}', namespace)}")
    if not changes:
        print(f"nothing is injected in namespace {namespace}")
    return 0


def _end(change: JournalEntry) -> str:
    """Return when a fault ends: when its run means to undo it, or else when the reaper does so at the latest."""
    latest = f"{stamp(change.expires_at)[:19]}Z"
    if change.ends_at is None:
        return f"its run undoes it, at the latest {latest}"
    return f"{stamp(change.ends_at)[:19]}Z (at the latest {latest}, by the reaper)"
