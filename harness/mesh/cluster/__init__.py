"""The cluster mesh sends edits of Istio resources to the Kubernetes API; the local mesh accepts the same edits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.clients.listening import require_listener
from harness.mesh.targets import MeshKind
from harness.model.config import Config
from harness.model.declared import Declared

if TYPE_CHECKING:
    from harness.mesh.cluster.mesh import ClusterMesh

__all__ = ["KIND"]


def _open(config: Config, folder: Path) -> AbstractContextManager[ClusterMesh]:
    """Open the mesh. The Kubernetes client is loaded here and not before, because a judge asks about the kind only."""
    from harness.mesh.cluster.factory import open_cluster_mesh  # noqa: PLC0415 - see above

    return open_cluster_mesh(config, folder)


def _adapted(config: Config) -> Config:
    """Return the configuration with fresh copies of both arms, if it asks for them."""
    if not config.cluster.fresh_arms:
        return config
    from harness.mesh.cluster.arms import with_fresh_arms  # noqa: PLC0415 - as above

    return with_fresh_arms(config)


def _where(config: Config) -> str:
    return f"{config.cluster.context or 'the current context'}, namespace {config.namespace}"


def _reach(config: Config) -> None:
    """Raise MeshError if nobody listens at ``cluster.url``. Without a URL no load can be sent, which a load says."""
    if config.cluster.url is not None:
        require_listener(config.cluster.url, "cluster.url")


def _check(faults: Sequence[Declared], config: Config) -> None:
    """Raise UsageError for faults beyond the limits, as far as they are known before a run chooses callers."""
    from harness.mesh.cluster.safety.limits import require_allowed  # noqa: PLC0415 - as above

    require_allowed(faults, config.cluster)


KIND = MeshKind(open=_open, adapt=_adapted, check=_check, dry_runs=True, reach=_reach, where=_where)
