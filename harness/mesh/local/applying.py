"""Apply files to a running local mesh, and apply them again when they change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.mesh.local.mesh import LocalMesh
from harness.routing.istio.reading import read_resources, replaced


class AppliedFiles:
    """Istio YAML files that replace or extend the resources that the mesh was started with."""

    def __init__(self, mesh: LocalMesh, files: Sequence[Path]) -> None:
        """Remember the mesh's resources; ``apply_if_changed`` applies the files."""
        self._mesh, self._files, self._base = mesh, tuple(files), mesh.resources()
        self._seen: tuple[bytes | None, ...] | None = None

    def apply_if_changed(self) -> bool:
        """Apply all files if one of them has changed since the last call; return whether one has.

        Raises ResourceError or EnvoyError when the files cannot be applied, once for each content; the mesh then
        keeps serving the previous resources.
        """
        found = tuple(_content(file) for file in self._files)
        if found == self._seen:
            return False
        self._seen = found
        newer = read_resources(self._files, namespace=self._mesh.namespace)
        self._mesh.replace(replaced(self._base, newer, namespace=self._mesh.namespace))
        return True


def _content(file: Path) -> bytes | None:
    """Return the content of a file, or None if it cannot be read, such as while an editor replaces it."""
    try:
        return file.read_bytes()
    except OSError:
        return None
