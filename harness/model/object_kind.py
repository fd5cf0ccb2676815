"""The kinds of objects that a Kubernetes API server keeps, and where it keeps them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectKind:
    """A kind as the API names it. group is empty for the core."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """The URL's path of the version of the group that it belongs to."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the URL's path of one object, or of all in a namespace."""
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.group_path}{space}/{self.plural}" + (f"/{name}" if name else "")
