"""The kinds of objects that a Kubernetes API server keeps, and where it keeps them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKind:
    """A kind of object in the Kubernetes API. group: empty for the core API."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return the ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """Return the URL path of the API version that it belongs to."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the URL path of one object, or of all objects in a namespace."""
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.group_path}{space}/{self.plural}" + (f"/{name}" if name else "")
