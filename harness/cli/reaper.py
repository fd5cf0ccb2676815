"""``harness reaper``: undo what dead runs left, again and again."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing, suppress

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterError, ClusterForbidden, RollbackError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.convergence import Convergence
from harness.mesh.cluster.recovery.reaping import reap
from harness.model.cluster import ClusterSettings
from harness.model.units import parse_duration

HELP = (
    "Undo every change whose run shows no sign of life or whose time to live is over. Runs in the cluster; see deploy/."
)
EXAMPLES = """\
  harness reaper --namespace shop              until it is ended, looking every ten seconds
  harness reaper --namespace shop --once       one look, for a CronJob; exit code 12 when something could not be undone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Once or for ever, where."""
    parser.add_argument("--once", action="store_true", help="look once, then end")
    parser.add_argument("--every", default="10s", metavar="TIME", help="time between two looks (default: 10s)")
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 when everything that had to be undone is."""
    settings, namespace = settings_of(args)
    every_s = parse_duration(args.every, "--every")
    with closing(connected(settings, None, tell=_tell)) as kube, suppress(KeyboardInterrupt):
        _look(kube, namespace, settings, once=args.once, first=True)
        while not args.once:
            time.sleep(every_s)
            _look(kube, namespace, settings, once=False, first=False)
    return 0


def _look(kube: Kubernetes, namespace: str, settings: ClusterSettings, *, once: bool, first: bool) -> None:
    """One look. A reaper that stays lives through an API server in trouble; one that never had its rights says so and ends.

    Rights that it had before may come back: an API server that starts again denies everybody for a while.
    """
    settle = Convergence(kube, namespace, settings)
    try:
        done = reap(kube, namespace, patience_s=settings.patience_s, tell=_tell, settle=settle)
    except ClusterError as error:
        if once or (first and isinstance(error, ClusterForbidden)):
            raise
        _tell(str(error))
        return
    for item in done:
        _tell(f"{item.change.owner}: {item.change.name}: {item.trouble or settle.said}")
    if once and any(item.trouble for item in done):
        raise RollbackError("not everything could be undone; what to do by hand stands above")
    if once and settle.lagging:
        raise RollbackError(settle.said)


def _tell(text: str) -> None:
    print(f"harness reaper: {text}", file=sys.stderr, flush=True)
