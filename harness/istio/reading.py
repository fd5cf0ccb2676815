"""Istio YAML in, plain dictionaries out, with the file and line of every key kept beside them.

YAML is composed to nodes, which know their lines, and turned into values here. Timestamps and
base-60 numbers of YAML 1.1 stay text, as in Kubernetes; a key that stands twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from harness.errors import ResourceError
from harness.istio.names import DEFAULT_NAMESPACE, Key, key_of, label_of
from harness.model.record import Json

Path_: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands."""

    file: Path
    line: int


class Resources(tuple[Json, ...]):
    """Resources as plain dictionaries. ``places`` says where each value of them was read."""

    places: Mapping[Key, Mapping[Path_, Place]]

    @classmethod
    def of(cls, resources: Iterable[Json], places: Mapping[Key, Mapping[Path_, Place]]) -> Resources:
        """Resources with the places of their values."""
        made = cls(resources)
        made.places = places
        return made


def read_resources(paths: Iterable[Path | str], *, namespace: str = DEFAULT_NAMESPACE) -> Resources:
    """All resources of some YAML files; ``namespace`` is meant where a resource names none.

    A resource of a later file replaces the same one of an earlier file, as ``kubectl apply`` would.
    Raises ResourceError, with file and line, for a file that is missing or no valid YAML, for a
    document that is no resource, and for one that stands twice in a file.
    """
    found: dict[Key, Json] = {}
    places: dict[Key, Mapping[Path_, Place]] = {}
    for path in paths:
        for key, (resource, where) in _read_file(Path(path), namespace).items():
            found[key], places[key] = resource, where
    return Resources.of(found.values(), places)


def replaced(resources: Iterable[Json], newer: Iterable[Json], *, namespace: str = DEFAULT_NAMESPACE) -> Resources:
    """``resources`` with those of ``newer`` added, or put in the place of the same ones."""
    places: dict[Key, Mapping[Path_, Place]] = {}
    found: dict[Key, Json] = {}
    for group in (resources, newer):
        known = group.places if isinstance(group, Resources) else {}
        for resource in group:
            key = key_of(resource, namespace)
            found[key], places[key] = resource, known.get(key, {})
    return Resources.of(found.values(), places)


def place_of(resources: Iterable[Json], key: Key, path: Path_) -> Place | None:
    """Where a value, or the nearest value around it, was read; None when that is unknown."""
    places = resources.places.get(key, {}) if isinstance(resources, Resources) else {}
    for end in range(len(path), -1, -1):
        if path[:end] in places:
            return places[path[:end]]
    return None


def _read_file(path: Path, namespace: str) -> dict[Key, tuple[Json, dict[Path_, Place]]]:
    found: dict[Key, tuple[Json, dict[Path_, Place]]] = {}
    for node in _documents(path):
        places: dict[Path_, Place] = {}
        document = _Reader(path, places).value(node, ())
        for resource, inner in _items(document, places, path):
            _require_resource(resource, path, inner)
            key = key_of(resource, namespace)
            if key in found:
                first = found[key][1][()]
                raise _error(
                    path, inner[()].line, f"{label_of(resource)} stands twice in this file, first in line {first.line}"
                )
            found[key] = (resource, inner)
    return found


def _documents(path: Path) -> Iterator[yaml.Node]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"expected a file with Istio resources, it cannot be read: {error.strerror}", file=path
        ) from error
    except UnicodeDecodeError as error:
        raise ResourceError(f"expected YAML in UTF-8, found other bytes: {error}", file=path) from error
    try:
        yield from (node for node in yaml.compose_all(text, Loader=_Loader) if not _is_empty(node))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ResourceError(f"expected valid YAML: {problem}", file=path, line=line) from error
    except yaml.YAMLError as error:
        raise ResourceError(f"expected valid YAML: {error}", file=path) from error


def _is_empty(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null")


def _items(document: Json, places: dict[Path_, Place], path: Path) -> Iterator[tuple[Json, dict[Path_, Place]]]:
    """The document itself, or what a ``List`` (``kubectl get -o yaml``) holds."""
    if not (isinstance(document, dict) and document.get("kind") == "List"):
        yield document, places
        return
    items = document.get("items")
    if not isinstance(items, list):
        raise _error(path, places[()].line, "items: expected the resources of this List")
    for index, item in enumerate(items):
        prefix = ("items", index)
        yield item, {where[2:]: place for where, place in places.items() if where[:2] == prefix}


def _require_resource(resource: Json, path: Path, places: Mapping[Path_, Place]) -> None:
    line = places[()].line
    if not isinstance(resource, dict):
        raise _error(path, line, f"expected a resource (a mapping), found {type(resource).__name__}")
    for field in ("apiVersion", "kind"):
        if not isinstance(resource.get(field), str):
            raise _error(path, line, f"{field}: expected a text, found {resource.get(field)!r}")
    metadata = resource.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise _error(path, line, f"metadata.name: expected the name of this {resource['kind']}, found {name!r}")


def _error(path: Path, line: int, message: str) -> ResourceError:
    return ResourceError(message, file=path, line=line)


class _Reader:
    """Turns the nodes of one document into values, noting where each one stands."""

    def __init__(self, path: Path, places: dict[Path_, Place]) -> None:
        self._path, self._places, self._open, self._loader = path, places, set[int](), _Loader("")

    def value(self, node: yaml.Node, at: Path_, *, line: int | None = None) -> Json:
        self._places[at] = Place(file=self._path, line=line or node.start_mark.line + 1)
        if id(node) in self._open:
            raise _error(self._path, node.start_mark.line + 1, "expected a tree, found an alias to a value around it")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, at)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*at, index)) for index, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.Node) -> Json:
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            line = node.start_mark.line + 1
            raise _error(
                self._path, line, f"expected a plain value, found {node.value!r} with tag {node.tag}"
            ) from error

    def _mapping(self, node: yaml.MappingNode, at: Path_) -> Json:
        own = [key.start_mark for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        self._loader.flatten_mapping(node)
        result: dict[str, Json] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key, line = self._key(key_node), key_node.start_mark.line + 1
            if key in seen and key_node.start_mark in own:
                raise _error(self._path, line, f"{key}: expected each key once, it stands twice in this mapping")
            if key_node.start_mark in own:
                seen.add(key)
            result[key] = self.value(value_node, (*at, key), line=line)
        return result

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _error(self._path, node.start_mark.line + 1, "expected a text as key, found a collection")
        return str(node.value)


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no dates, no base-60 numbers."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+|0b[01]+)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))$"),
    list("-+.0123456789"),
)
