"""The meshes that a run can use, by the name of the target.

A new mesh is a package that defines ``KIND``, and one line in ``PACKAGES``. This module loads nothing heavy, because
every pytest run needs the names for its options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.mesh.port import Mesh
    from harness.model.config import Config
    from harness.model.declared import Declared

PACKAGES: Mapping[str, str] = {
    "local": "harness.mesh.local",
    "cluster": "harness.mesh.cluster",
    "stage": "harness.mesh.stage",
}
TARGETS = tuple(name for name in PACKAGES if name != "stage")
"""The targets that people can name. Only a release uses its stage."""


def _unchanged(config: Config) -> Config:
    return config


def _accept(faults: Sequence[Declared], config: Config) -> None:
    """Accept every fault."""


def _reached(_: Config) -> None:
    """Find nothing wrong: the mesh starts what load is sent to."""


def _nowhere(_: Config) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshKind:
    """What the package of a mesh offers.

    open: starts or connects the mesh, with its logs in the folder; on exit, ends everything that it started.
    adapt: returns the configuration as this mesh needs it. check: raises UsageError for faults at the same time
    that this mesh cannot inject, by what they declare, before anything is started. real_users: whether requests of
    others pass through the mesh too. dry_runs: whether a plan can try each change without making it. reach: raises
    MeshError if nobody listens where load would be sent. where: returns where the configuration makes it run.
    """

    open: Callable[[Config, Path], AbstractContextManager[Mesh]]
    adapt: Callable[[Config], Config] = _unchanged
    check: Callable[[Sequence[Declared], Config], None] = _accept
    reach: Callable[[Config], None] = _reached
    real_users: bool = True
    dry_runs: bool = False
    where: Callable[[Config], str] = _nowhere


def mesh_kind(target: str) -> MeshKind:
    """Return what the mesh called ``target`` offers; this imports its package. Raises UsageError for other names."""
    if target not in PACKAGES:
        raise UsageError(f"unknown target {target!r}; known: {', '.join(TARGETS)}")
    kind: MeshKind = import_module(PACKAGES[target]).KIND
    return kind


def has_real_users(target: str) -> bool:
    """Return whether requests of others pass through a mesh. A mesh that is not known here may have some."""
    return target not in PACKAGES or mesh_kind(target).real_users
