"""YAML files read with the line of every key kept, so that errors found later can name it.

Differs from PyYAML's safe loader in refusing what hides mistakes: a key that stands twice, a key that is no
text, an alias that contains itself. Dates and times of day stay text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from harness.errors import ConfigError, ResourceError
from harness.model.json import Json

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain values, and the line (from 1) of each key or list item by its place."""

    file: Path
    value: Json
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is in the file."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


def read_documents(file: Path, error: type[ConfigError | ResourceError]) -> tuple[Document, ...]:
    """Every document of a YAML file; empty ones are left out. Raises ``error`` with file and line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise error(f"expected a readable YAML file, found: {reason}", file=file) from reason
    loader = _Loader(text)
    documents = []
    try:
        while loader.check_node():
            lines: dict[Place, int] = {}
            node = loader.get_node()
            value = None if node is None else _value(loader, node, (), lines, ())
            documents.append(Document(file=file, value=value, lines=lines))
    except yaml.MarkedYAMLError as reason:
        mark = reason.problem_mark or reason.context_mark
        message = f"expected valid YAML, found: {reason.problem or reason.context}"
        raise error(message, file=file, line=mark.line + 1 if mark else None) from reason
    except yaml.YAMLError as reason:
        raise error(f"expected valid YAML, found: {reason}", file=file) from reason
    finally:
        loader.dispose()
    return tuple(document for document in documents if document.value is not None)


_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no dates and no numbers to the base 60, so ``12:30`` is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _value(
    loader: _Loader, node: yaml.Node, place: Place, lines: dict[Place, int], around: tuple[yaml.Node, ...]
) -> Json:
    """The plain value of a node; notes the lines of all that is in it."""
    lines.setdefault(place, node.start_mark.line + 1)
    if any(node is outer for outer in around):
        raise yaml.constructor.ConstructorError(None, None, "an alias that contains itself", node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*place, i), lines, (*around, node)) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    _refuse_twice(loader, node)
    loader.flatten_mapping(node)
    values: dict[str, Json] = {}
    for key, value in node.value:
        name = _key(loader, key)
        lines[*place, name] = key.start_mark.line + 1
        values[name] = _value(loader, value, (*place, name), lines, (*around, node))
    return values


def _refuse_twice(loader: _Loader, node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        name = _key(loader, key)
        if name in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} twice", key.start_mark)
        seen.add(name)


def _key(loader: _Loader, node: yaml.Node) -> str:
    key = loader.construct_object(node)
    if not isinstance(key, str):
        raise yaml.constructor.ConstructorError(
            None, None, f"a key that is no text: {key!r}; put it into quotes", node.start_mark
        )
    return key
