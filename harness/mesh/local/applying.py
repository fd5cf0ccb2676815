"""Files laid over the resources of a running local mesh, and applied again when they change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.mesh.local.mesh import LocalMesh
from harness.routing.istio.reading import read_resources, replaced


class AppliedFiles:
    """Istio YAML over the resources the mesh was started with: the same resource is replaced, others are added."""

    def __init__(self, mesh: LocalMesh, files: Sequence[Path]) -> None:
        """Nothing is applied yet."""
        self._mesh, self._files, self._base = mesh, tuple(files), mesh.resources()
        self._seen: tuple[bytes | None, ...] | None = None

    def apply_if_changed(self) -> bool:
        """Apply all files if one of them is not as it was at the last call; whether that was so.

        Raises ResourceError or EnvoyError, once for each content; what was live before stays live then.
        """
        found = tuple(_content(file) for file in self._files)
        if found == self._seen:
            return False
        self._seen = found
        newer = read_resources(self._files, namespace=self._mesh.namespace)
        self._mesh.replace(replaced(self._base, newer, namespace=self._mesh.namespace))
        return True


def _content(file: Path) -> bytes | None:
    """What is in a file; None while it cannot be read, as for an instant when an editor replaces it."""
    try:
        return file.read_bytes()
    except OSError:
        return None
