"""Finds every command line of ``harness`` in the files of pipelines/, deploy/ and docs/pipelines/."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.cli import COMMANDS

ROOT = Path(__file__).parents[2]
FOLDERS = ("pipelines", "deploy", "docs/pipelines")
STEPS = ("shift", "gate", "promote", "resume")
_COMMAND = re.compile(r"(^|[;&|(){`'\"]|\bif|\bthen|\bdo|\belse|!|- |: )\s*harness[ ]+(?=[a-z-])(.*)")
_END = re.compile(r"\s*(?:\|\||&&|;|\||>>?|<|`| # |'\s*[,)]|\"\s*[,)]).*")
_WORDS = ("args", "arguments", "command")
_QUOTES = "`'\""
_VARIABLE = re.compile(r"\$\{\{.*?\}\}|\{\{.*?\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+")


class _Loader(yaml.SafeLoader):
    """YAML with the tags of GitLab, whose values are lists of words."""


_Loader.add_multi_constructor("!", lambda loader, _, node: getattr(node, "value", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """The words that follow ``harness`` in a file. Variables are replaced by an ``x``."""

    file: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Show where it is and what it says."""
        return f"{self.file}: {' '.join(self.words)}"


def command_lines() -> list[CommandLine]:
    """Return each one, once a file."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if _read(path)]
    found = {CommandLine(file=str(path.relative_to(ROOT)), words=words): 0 for path in files for words in _of(path)}
    return list(found)


def _read(path: Path) -> bool:
    return path.is_file() and not {"node_modules", "__pycache__"} & set(path.parts) and path.name != "package-lock.json"


def _of(path: Path) -> Iterator[tuple[str, ...]]:
    text = path.read_text()
    if path.suffix in {".yml", ".yaml"} and "templates" not in path.parts:
        for document in yaml.load_all(text, Loader=_Loader):
            yield from in_value(document)
    elif path.suffix == ".md":
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield from _in_text(block)
    else:
        yield from _in_text(text)
        for listed in re.findall(r"\[((?:\s*[\"'][^\"']*[\"'],?)+\s*)\]", text):
            yield from _in_words(re.findall(r"[\"']([^\"']*)[\"']", listed))


def in_value(value: object) -> Iterator[tuple[str, ...]]:
    """Return the words of each command line in a document of YAML."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _in_words(inner) if key in _WORDS and isinstance(inner, list) else ()
            yield from in_value(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from in_value(inner)
    elif isinstance(value, str):
        yield from _in_text(value)


def _plain(text: str) -> str:
    """Replace variables by a word that the parser accepts."""
    return _VARIABLE.sub("x", text.replace("$TARGET", "cluster"))


def _in_words(words: list[str]) -> Iterator[tuple[str, ...]]:
    """A list of words is a command line if it begins with harness, or with one of its commands (as a container's args)."""
    given = words[1:] if words and words[0] == "harness" else words
    if given and all(isinstance(word, str) for word in given) and given[0] in COMMANDS:
        yield from _each_step(tuple(map(_plain, given)))


def _in_text(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith(("#", "//", "*")):
            continue
        for before, rest in _COMMAND.findall(line):
            said = re.split(rf"(?<!\\){before}", rest)[0] if before and before in _QUOTES else rest
            marked = re.sub(r'"\$(?:\{step\}|step)"', "STEP", said)
            plain = _END.sub("", re.sub(r'"?\$\{\w+\[@\]\}"?', "", marked))
            yield from _each_step(tuple(shlex.split(_plain(plain).replace("STEP", "$step"))))


def _each_step(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if "$step" not in words:
        yield words
        return
    for step in STEPS:
        yield tuple(step if word == "$step" else word for word in words)
