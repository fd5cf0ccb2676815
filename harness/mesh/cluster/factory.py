"""Build the cluster mesh: connect, check limits and leftovers, and turn signals into Ctrl-C."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.settings import IN_CLUSTER
from harness.clients.kubernetes.types import as_deployment
from harness.clients.processes.signals import signals_as_interrupts
from harness.errors import ClusterForbidden
from harness.mesh.cluster.arms import fresh_arm_edits
from harness.mesh.cluster.connection import connected, made_by
from harness.mesh.cluster.mesh import ClusterMesh
from harness.mesh.cluster.recovery.reaping import require_no_leftovers
from harness.mesh.cluster.recovery.watchdog import Watchdog
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.data_plane import data_plane
from harness.mesh.cluster.safety.rights import require_basics
from harness.mesh.cluster.safety.rollouts import REAPER
from harness.model.cluster import ClusterSettings
from harness.model.config import Config
from harness.model.samples import CANARY
from harness.printable import printable
from harness.routing import routing_where
from harness.routing.port import RoutingApi


@contextmanager
def open_cluster_mesh(config: Config, folder: Path) -> Iterator[ClusterMesh]:
    """Open the mesh of the configuration's namespace; ``folder`` receives the journal and the audit log.

    Raises UsageError for a cluster or a namespace that must not be used, and MeshError if a dead run has left changes.
    """
    arms = [config.workload(config.service, version).labels for version in (config.baseline, config.canary)]
    with opened(config.cluster, config.namespace, folder=folder, tell=_tell) as mesh:
        mesh.watch_arms(arms)
        mesh.log_canary(arms[CANARY], folder / "services" / f"{config.service}-{config.canary}.log")
        if not config.cluster.copied:
            yield mesh
            return
        baseline, canary = (config.workload(config.service, version).labels for version in config.cluster.copied)
        edits = fresh_arm_edits(
            mesh.resources("Deployment"),
            service=config.service,
            namespace=config.namespace,
            baseline=baseline,
            canary=canary,
            owner=f"arms-{secrets.token_hex(4)}",
        )
        with mesh.changed(edits, name="fresh baseline and fresh canary"):
            yield mesh


@contextmanager
def opened(
    settings: ClusterSettings, namespace: str, *, folder: Path, tell: Callable[[str], None]
) -> Iterator[ClusterMesh]:
    """Open the mesh as ``open_cluster_mesh`` does, from settings. tell: receives messages for people."""
    with closing(connected(settings, folder)) as kube:
        limits.require_meant(kube.context, namespace, settings)
        routing = routing_where(kube.serves)
        require_basics(kube, namespace, settings, routing.kinds)
        limits.require_cluster(kube, namespace, settings)
        data_plane(kube, namespace, settings)
        require_no_leftovers(kube, namespace)
        warn_without_reaper(kube, namespace, tell)
        with _mesh(kube, routing, settings, namespace, folder=folder, tell=tell) as mesh:
            yield mesh


@contextmanager
def _mesh(
    kube: Kubernetes,
    routing: RoutingApi,
    settings: ClusterSettings,
    namespace: str,
    *,
    folder: Path,
    tell: Callable[[str], None],
) -> Iterator[ClusterMesh]:
    context = None if kube.context == IN_CLUSTER else kube.context
    mesh = ClusterMesh(
        kube,
        routing,
        namespace=namespace,
        settings=settings,
        journal_file=folder / "journal.jsonl",
        made_by=made_by(),
        tell=tell,
        watchdog=Watchdog(settings, namespace, context=context, folder=folder) if settings.watchdog else None,
    )
    with signals_as_interrupts():
        try:
            yield mesh
        finally:
            mesh.close()


def warn_without_reaper(kube: Kubernetes, namespace: str, tell: Callable[[str], None]) -> None:
    """Say so if no reaper would revert the changes after this process is killed."""
    try:
        deployments = map(as_deployment, kube.list("Deployment", namespace))
        reapers = [item for item in deployments if item["metadata"]["name"] == REAPER]
    except ClusterForbidden:
        return  # all missing rights are reported together before anything is changed
    if not any((item.get("status") or {}).get("availableReplicas") for item in reapers):
        tell(
            f"no reaper runs in namespace {namespace}: changes of a killed run stay until "
            f"{kube.commands.harness('restore', namespace)} reverts them; install it with "
            f"{kube.commands.kubectl('apply -k deploy/reaper', namespace)}"
        )


def _tell(text: str) -> None:
    print(f"harness: {printable(text)}", file=sys.stderr)  # noqa: T201 - the user must see why an undo takes long
