"""``harness reaper``: undo what dead runs leave in a cluster, again and again."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing, suppress

from harness.cli.cluster import add_cluster_arguments, settings_of
from harness.cli.output import clean_print as print
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterError, ClusterForbidden, RollbackError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.recovery.convergence import Convergence
from harness.mesh.cluster.recovery.reaping import reap
from harness.mesh.cluster.safety.limits import require_namespace
from harness.model.cluster import ClusterSettings
from harness.model.units import parse_duration

HELP = (
    "Undo every change whose run has stopped sending signs of life or whose time to live is over. It usually runs in "
    "the cluster; see deploy/."
)
EXAMPLES = """\
  harness reaper --namespace shop              check every ten seconds until it is stopped
  harness reaper --namespace shop --once       check once, for a CronJob; exit code 12 if something could not be undone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--once", action="store_true", help="check once, then exit")
    parser.add_argument("--every", default="10s", metavar="TIME", help="time between two checks")
    add_cluster_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Undo what has to be undone. Return 0. Raises RollbackError, with --once, if something could not be undone."""
    settings, namespace = settings_of(args)
    every_s = parse_duration(args.every, "--every")
    with closing(connected(settings, None, tell=_tell)) as kube, suppress(KeyboardInterrupt):
        require_namespace(kube, namespace)
        _look(kube, namespace, settings, once=args.once, first=True)
        while not args.once:
            time.sleep(every_s)
            _look(kube, namespace, settings, once=False, first=False)
    return 0


def _look(kube: Kubernetes, namespace: str, settings: ClusterSettings, *, once: bool, first: bool) -> None:
    """Check once. A reaper that keeps running survives an API server in trouble, but not a missing right at its start.

    A right that is missing later may come back: an API server that restarts refuses everybody for a while.
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
        raise RollbackError("not everything could be undone; the lines above say what to do by hand")
    if once and settle.lagging:
        raise RollbackError(settle.said)


def _tell(text: str) -> None:
    print(f"harness reaper: {text}", file=sys.stderr, flush=True)
