"""``harness faults``: what is changed in a cluster now, by whom, until when."""

from __future__ import annotations

import argparse
from contextlib import closing

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.clients.kubernetes.times import stamp
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.journal import journalled
from harness.mesh.cluster.recovery.reaping import reason_to_undo

HELP = "List what is injected in a cluster now: by whom, into what, until when, and whether its run lives."
EXAMPLES = """\
  harness faults
  harness faults --namespace shop --context kind-dev
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Always 0: being asked changes nothing."""
    settings, namespace = settings_of(args)
    with closing(connected(settings, None)) as kube:
        changes = journalled(kube, namespace)
        for change in changes:
            dead = reason_to_undo(kube, namespace, change)
            print(f"{change.name}")
            print(f"  run    {change.owner}, by {change.made_by}: {dead or 'alive'}")
            print(f"  until  {stamp(change.expires_at)[:19]}Z")
            for edit in change.edits:
                print(f"  in     {edit.label}")
            if dead:
                print(f"  undo   harness restore --run {change.owner} --namespace {namespace}")
    if not changes:
        print(f"nothing is injected in namespace {namespace}")
    return 0
