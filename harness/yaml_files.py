"""Read YAML of any origin: keep the line of every key, and refuse files that would hang or crash the reader.

This is the only reader of YAML files. It differs from PyYAML's safe loader: it refuses what hides mistakes (a key that
is there twice, a key that is neither text nor a whole number, a tag of another type), keeps dates and times of day as
text, and limits size, depth, and how much aliases and merges may repeat. A file of 371 bytes can otherwise ask for 9^9
values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias

import yaml

from harness.errors import HarnessError
from harness.model.json import JsonScalar, JsonValue

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the top of a document."""

MOST_BYTES = 4 * 2**20
MOST_RECORDED_BYTES = 64 * 2**20
MOST_LEVELS = 100
MOST_REPEATED = 50_000
"""How many values aliases and merges may repeat in one document."""
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")
_NOT_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""Characters that an escape can produce, but that no file name, environment variable or UTF-8 file can hold."""
_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"
_SCALARS = frozenset(f"{_CORE}{name}" for name in ("null", "bool", "int", "float", "str", "value", "merge"))
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document: plain values, and the line (from 1) of each key or list item by its place."""

    file: Path
    value: JsonValue
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest one around it that is in the file."""
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]


class Refusal(Protocol):
    """Makes the reader's error, such as the class ConfigError."""

    def __call__(self, message: str, *, file: Path, line: int | None) -> HarnessError:
        """Return the error for a mistake in a line of a file."""


def read_documents(file: Path, error: Refusal, *, recorded: bool = False) -> tuple[Document, ...]:
    """Return every document of a YAML file except empty ones. Raises ``error`` with file and line.

    recorded: PyYAML wrote the file, for a bundle, so it may be large, and text such as 1e5 has no quotes.
    """
    most_bytes = MOST_RECORDED_BYTES if recorded else MOST_BYTES
    try:
        with file.open("rb") as opened:
            content = opened.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise error(f"expected at most {most_bytes // 2**20} MiB of YAML, found more", file=file, line=None)
        text = content.decode("utf-8")
    except (OSError, ValueError) as reason:
        raise error(f"expected a readable YAML file, found: {reason}", file=file, line=None) from reason
    return parse_documents(text, file=file, error=error, recorded=recorded)


def parse_documents(text: str, *, file: Path, error: Refusal, recorded: bool = False) -> tuple[Document, ...]:
    """Return every document in ``text`` except empty ones. ``file`` is for messages. Raises ``error`` with the line."""
    documents = []
    line = 1
    try:
        loader = (_BoundedLoader if recorded else _Loader)(text)
        while loader.check_node():
            line = loader.line + 1
            node = loader.get_node()
            values = _Values(loader)
            value = None if node is None else values.value(node, (), ())
            documents.append(Document(file=file, value=value, lines=values.lines))
            line = loader.line + 1
    except yaml.MarkedYAMLError as reason:
        mark = reason.problem_mark or reason.context_mark
        message = f"expected valid YAML, found: {reason.problem or reason.context}"
        raise error(message, file=file, line=mark.line + 1 if mark else line) from reason
    except yaml.reader.ReaderError as reason:
        line = text.count("\n", 0, reason.position) + 1
        found = f"the character U+{reason.character:04X}" if isinstance(reason.character, int) else str(reason)
        raise error(f"expected valid YAML, found: {found}", file=file, line=line) from reason
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as reason:
        # PyYAML's scanner raises the last three for a huge escape or version: they carry no mark.
        raise error(f"expected valid YAML, found: {reason}", file=file, line=line) from reason
    return tuple(document for document in documents if document.value is not None)


_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]*")


class _BoundedLoader(yaml.SafeLoader):
    """YAML as PyYAML writes it, with a limited depth."""

    _levels = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node as PyYAML does, which recurses, but only to a limited depth."""
        self._levels += 1
        if self._levels > MOST_LEVELS:
            mark = self.get_mark()
            raise yaml.composer.ComposerError(None, None, f"more than {MOST_LEVELS} levels", mark)
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node


class _Loader(_BoundedLoader):
    """YAML as Kubernetes reads it: no dates and no numbers to the base 60, so ``12:30`` is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(f"{_CORE}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_CORE}float", _FLOAT, list("-+.0123456789"))


class _Values:
    """Turn the nodes of one document into plain values, and collect their lines."""

    def __init__(self, loader: _BoundedLoader) -> None:
        self.lines: dict[Place, int] = {}
        self._loader = loader
        self._seen: set[int] = set()
        self._repeated = 0

    def value(self, node: yaml.Node, place: Place, around: tuple[yaml.Node, ...]) -> JsonValue:
        """Return the plain value of a node. around: the nodes that contain it."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        self._enter(node, around)
        if isinstance(node, yaml.SequenceNode):
            _require_tag(node, (f"{_CORE}seq",))
            return [self.value(item, (*place, i), (*around, node)) for i, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self._scalar(node)
        values: dict[str, JsonValue] = {}
        for name, (key, value) in self._pairs(node, around).items():
            self.lines[*place, name] = key.start_mark.line + 1
            values[name] = self.value(value, (*place, name), (*around, node))
        return values

    def _enter(self, node: yaml.Node, around: tuple[yaml.Node, ...]) -> None:
        if any(node is outer for outer in around):
            _refuse("an alias that contains itself", node)
        if len(around) >= MOST_LEVELS:
            _refuse(f"more than {MOST_LEVELS} levels", node)
        if id(node) in self._seen:
            self._count(node)
        self._seen.add(id(node))

    def _count(self, node: yaml.Node) -> None:
        self._repeated += 1
        if self._repeated > MOST_REPEATED:
            _refuse(f"aliases that repeat more than {MOST_REPEATED:,} values", node)

    def _pairs(self, node: yaml.MappingNode, around: tuple[yaml.Node, ...]) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return key and value by name: those merged with ``<<`` first, replaced by those of the mapping itself."""
        _require_tag(node, (f"{_CORE}map",))
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                for source in _merged(value):
                    self._enter(source, (*around, node))
                    self._count(source)
                    for name, pair in self._pairs(source, (*around, node)).items():
                        self._count(source)
                        merged.setdefault(name, pair)
                continue
            name = self._key(key)
            if name in own:
                _refuse(f"the key {_shown(name)} twice", key)
            own[name] = (key, value)
        return {**merged, **own}

    def _key(self, node: yaml.Node) -> str:
        """Return a key. A whole number is the text that it is written as, such as a port in Kubernetes' resources."""
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_CORE}int" and _PLAIN_NUMBER.fullmatch(node.value):
            return str(node.value)
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(node, yaml.ScalarNode) or not isinstance(key, str):
            _refuse(f"a key that is not text: {_shown(key or node.value)}; put it into quotes", node)
        return key

    def _scalar(self, node: yaml.Node) -> JsonScalar:
        _require_tag(node, _SCALARS)
        if node.tag in {f"{_CORE}value", _MERGE}:
            return str(node.value)
        try:
            value: JsonScalar = self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError, OverflowError):
            if node.tag == f"{_CORE}int" and _INT.match(node.value):  # more than 4300 digits
                _refuse("a number that needs more than 64 bits", node)
            _refuse(f"a value that does not fit its tag {node.tag}: {_shown(node.value)}", node)
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            _refuse("a number that needs more than 64 bits", node)
        if isinstance(value, str) and (found := _NOT_TEXT.search(value)):
            _refuse(f"the character U+{ord(found[0]):04X}", node)
        return value


def _merged(node: yaml.Node) -> Iterable[yaml.MappingNode]:
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            _refuse("a merge (<<) of something that is not a mapping", source)
        yield source


def _require_tag(node: yaml.Node, known: Iterable[str]) -> None:
    if node.tag not in known:
        _refuse(f"the tag {_shown(node.tag)}, which is not supported", node)


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _refuse(problem: str, node: yaml.Node) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
