"""Try to hang or crash every reader of YAML with small files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.bundle import _read_resources
from harness.config import read_config
from harness.errors import ConfigError, HarnessError, JudgeInputError, RecordError, ResourceError
from harness.judge.kayenta.fields import parse_document
from harness.routing.istio.reading import read_resources
from harness.yaml_files import read_documents

_LEVELS = "abcdefghij"


def _aliases(kind: str) -> str:
    """Return a file of about 371 bytes whose values would be repeated 9^9 times."""
    lines = [f"{_LEVELS[0]}: &{_LEVELS[0]} [{', '.join(['x'] * 9)}]"]
    for inner, outer in itertools.pairwise(_LEVELS):
        lines.append(f"{outer}: &{outer} {kind.format(', '.join([f'*{inner}'] * 9))}")
    return "\n".join(lines) + "\n"


def _merges() -> str:
    lines = ["a: &a {x: 1, y: 2}"]
    lines += [f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}" for a, b in itertools.pairwise(_LEVELS)]
    return "\n".join(lines) + "\n"


BOMBS = {
    "lists of aliases": (_aliases("[{}]"), "repeat"),
    "merges of aliases": (_merges(), "repeat"),
    "a chain of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)),
        "levels",
    ),
    "nested lists": ("a: " + "[" * 5000 + "]" * 5000, "levels"),
    "nested blocks": ("- " * 5000 + "a", "levels"),
    "nested mappings": ("{a: " * 5000 + "}" * 5000, "levels"),
    "nested keys": ("? " * 5000 + "a", "levels"),
    "a list that contains itself": ("a: &a [*a]", "contains itself"),
    "a merge of itself": ("a: &a {<<: *a}", "contains itself"),
    "five thousand digits": ("a: " + "9" * 5000, "64 bits"),
    "sixty digits": ("a: -" + "9" * 60, "64 bits"),
    "a huge hexadecimal number": ("a: 0x" + "f" * 9000, "64 bits"),
    "a control character": ("b: 1\na: \x07", "U[+]0007"),
    "a huge escape": ('a: "\\UFFFFFFFF"', "valid YAML"),
    "an escape of half a character": ('a: "\\uD800"', "U[+]D800"),
    "an escape of NUL": ('a: "\\0"', "U[+]0000"),
    "a huge version": ("%YAML " + "1" * 5000 + ".1\n---\na: 1", "valid YAML"),
    "a tag that is no number": ("a: !!int x", "tag"),
    "an empty number": ("a: !!int ''", "tag"),
    "a tag that is no float": ("a: !!float x", "tag"),
    "a tag that is no bool": ("a: !!bool x", "tag"),
    "a tag that is no timestamp": ("a: !!timestamp x", "tag"),
    "an impossible timestamp": ("a: !!timestamp 2020-99-99", "tag"),
    "binary that is none": ("a: !!binary x", "tag"),
    "a Python object": ("a: !!python/object/apply:os.system [ls]", "tag"),
    "an unknown tag of a mapping": ("a: !thing {b: 1}", "tag"),
    "a set": ("a: !!set {b, c}", "tag"),
    "pairs": ("a: !!pairs [b: 1]", "tag"),
    "a merge of a text": ("a: {<<: x}", "merge"),
    "a key that is a list": ("? [a]\n: 1", "key"),
    "a key that is a mapping": ("? {a: 1}\n: 1", "key"),
    "a key that is a bad number": ("!!int x: 1", "tag"),
    "an alias of nothing": ("a: *b", "undefined alias"),
}


def _config(path: Path) -> object:
    return read_config(path)


def _istio(path: Path) -> object:
    return read_resources([path])


def _kayenta(path: Path) -> object:
    return parse_document(path.read_text(), file=str(path))


def _bundle(path: Path) -> object:
    return _read_resources(path)


READERS: dict[str, tuple[Callable[[Path], object], type[HarnessError]]] = {
    "config": (_config, ConfigError),
    "istio": (_istio, ResourceError),
    "kayenta": (_kayenta, JudgeInputError),
    "bundle": (_bundle, RecordError),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_at_once_with_file_and_line(bomb: str, reader: str, tmp_path: Path) -> None:
    """Each reader raises its own error within 2 s of CPU time; the error names the file, the line and the cause."""
    text, cause = BOMBS[bomb]
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    read, error = READERS[reader]
    started = time.process_time()
    with pytest.raises(error, match=rf"(?s){path}:\d+: .*{cause}"):
        read(path)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("reader", ["config", "istio", "bundle"])
def test_a_file_that_is_too_large_is_refused_without_reading_it(reader: str, tmp_path: Path) -> None:
    """A file of 3 GB, most of which is a hole, is refused at once; the error names the limit."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    read, error = READERS[reader]
    with pytest.raises(error, match=r"large.yaml: expected at most \d+ MiB"):
        read(path)


def test_the_same_mapping_can_be_used_twice(tmp_path: Path) -> None:
    """A mapping with merges that two aliases name is read the same way both times, and its lines are kept."""
    path = tmp_path / "used.yaml"
    path.write_text(
        "base: &base {a: 1, b: 2}\none: &one\n  <<: *base\n  b: 3\ntwo: *one\nthree:\n  <<: [{c: 4, a: 5}, *base]\n"
    )
    (document,) = read_documents(path, ConfigError)
    value: Any = document.value
    assert value["one"] == {"a": 1, "b": 3} == value["two"]
    assert value["three"] == {"c": 4, "a": 5, "b": 2}
    assert (document.line(("one", "b")), document.line(("two", "b")), document.line(("three", "c"))) == (4, 4, 7)


def test_a_mesh_of_a_thousand_aliases_is_no_bomb(tmp_path: Path) -> None:
    """Ordinary use of anchors stays possible."""
    path = tmp_path / "many.yaml"
    path.write_text("a: &a {b: [1, 2, 3], c: d}\nlist:\n" + "- *a\n" * 1000)
    (document,) = read_documents(path, ConfigError)
    assert document.value["list"] == [{"b": [1, 2, 3], "c": "d"}] * 1000


def test_what_a_bundle_writes_is_read_back_unchanged(tmp_path: Path) -> None:
    """Text that looks like a number or a date, and resources that share parts, survive the way through the file."""
    shared = {"labels": {"sha": "1e5", "day": "2026-11-28", "time": "12:30", "octal": "08", "dot": "1."}}
    resources = ({"a": shared, "b": shared, "numbers": [1, 1.5, 1e20, -3, 2**63 - 1], "on": "yes", "none": None},)
    path = tmp_path / "before.yaml"
    path.write_bytes(yaml.safe_dump_all(resources, sort_keys=False).encode())
    assert _read_resources(path) == resources
