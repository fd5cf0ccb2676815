"""Read Istio's YAML files into dictionaries, and remember the file and line of every key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import ResourceError
from harness.model.json import JsonObject, JsonValue
from harness.routing.edits import key as key_of
from harness.yaml_files import Document, Place, read_documents

DEFAULT_NAMESPACE = "default"
Key: TypeAlias = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a resource was read. top: the path to it inside the document."""

    document: Document
    top: Place = ()

    def line(self, place: Place) -> int:
        """Return the line of a value of the resource, or of the nearest value around it."""
        return self.document.line((*self.top, *place))


class Resources(tuple[JsonObject, ...]):
    """Resources as dictionaries; ``sources`` tells where each was read."""

    sources: Mapping[Key, Source]

    @classmethod
    def of(cls, resources: Iterable[JsonObject], sources: Mapping[Key, Source]) -> Resources:
        """Return resources with their sources."""
        made = cls(resources)
        made.sources = sources
        return made


def read_resources(paths: Iterable[Path | str], *, namespace: str = DEFAULT_NAMESPACE) -> Resources:
    """Return all resources of some YAML files; ``namespace`` is used for a resource that names none.

    A resource of a later file replaces the same one of an earlier file, as with ``kubectl apply``. Raises
    ResourceError, with file and line, for a missing file, invalid YAML, a document that is no resource, and a resource
    that occurs twice in a file.
    """
    groups = [_read_file(Path(path), namespace) for path in paths]
    return replaced((), *groups, namespace=namespace)


def replaced(
    resources: Iterable[JsonObject], *newer: Iterable[JsonObject], namespace: str = DEFAULT_NAMESPACE
) -> Resources:
    """Return ``resources`` with those of ``newer`` added or replaced."""
    found: dict[Key, JsonObject] = {}
    sources: dict[Key, Source] = {}
    for group in (resources, *newer):
        known = sources_of(group)
        for resource in group:
            key = key_of(resource, namespace)
            sources.pop(key, None)
            found[key] = resource
            if key in known:
                sources[key] = known[key]
    return Resources.of(found.values(), sources)


def sources_of(resources: Iterable[JsonObject]) -> Mapping[Key, Source]:
    """Return where resources were read, if that is known."""
    return resources.sources if isinstance(resources, Resources) else {}


def _read_file(path: Path, namespace: str) -> Resources:
    found: dict[Key, JsonObject] = {}
    sources: dict[Key, Source] = {}
    for document in read_documents(path, ResourceError):
        for value, top in _items(document):
            source = Source(document=document, top=top)
            resource = _required_resource(value, source)
            key = key_of(resource, namespace)
            if key in found:
                raise ResourceError(
                    f"{key[0]} {key[1]}/{key[2]} occurs twice in this file, first in line {sources[key].line(())}",
                    file=path,
                    line=source.line(()),
                )
            found[key], sources[key] = resource, source
    return Resources.of(found.values(), sources)


def _items(document: Document) -> Iterator[tuple[JsonValue, Place]]:
    """Return the document itself, or the items of a ``List`` (``kubectl get -o yaml``)."""
    value = document.value
    if not (isinstance(value, dict) and str(value.get("kind")).endswith("List")):
        yield value, ()
        return
    items = value.get("items")
    if not isinstance(items, list):
        raise ResourceError("expected the resources of this List", file=document.file, line=1, path="items")
    for index, item in enumerate(items):
        yield item, ("items", index)


def _required_resource(resource: JsonValue, source: Source) -> JsonObject:
    """Return the resource. Raises ResourceError for a value that is not one."""
    if not isinstance(resource, dict):
        raise _error(source, f"expected a resource (a mapping), found {type(resource).__name__}")
    for field in ("apiVersion", "kind"):
        if not isinstance(resource.get(field), str):
            raise _error(source, f"expected a text, found {resource.get(field)!r}", field)
    metadata = resource.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise _error(source, f"expected the name of this {resource['kind']}, found {name!r}", "metadata", "name")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if namespace is not None and not isinstance(namespace, str):
        raise _error(source, f"expected a text, found {namespace!r}", "metadata", "namespace")
    return resource


def _error(source: Source, message: str, *place: str) -> ResourceError:
    path = ".".join(place) or None
    return ResourceError(message, file=source.document.file, line=source.line(place), path=path)
