"""Code stays small: functions of 40 lines, modules of 400. Ruff checks that lines have 120 columns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
MODULES = {file: file.read_text() for file in sorted(ROOT.rglob("*.py"))}
REASON = "longer than 40 lines"


def long_functions(text: str) -> Iterator[str]:
    """The functions of more than 40 lines without a comment, in or right above their first line, that says why."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            near = " ".join(lines[max(node.lineno - 2, 0) : node.lineno]).lower()
            if length > 40 and REASON not in near:
                yield f"{node.name}: {length} lines"


def test_a_function_over_40_lines_says_why() -> None:
    """The hot path of the load generator, for example, is one function because a call costs time per request."""
    found = [f"{file.relative_to(ROOT)}: {each}" for file, text in MODULES.items() for each in long_functions(text)]
    assert [] == found


def test_a_module_has_at_most_400_lines() -> None:
    """A longer one has two subjects."""
    sizes = {file.relative_to(ROOT): len(text.splitlines()) for file, text in MODULES.items()}
    assert {} == {str(file): size for file, size in sizes.items() if size > 400}


@pytest.mark.parametrize(("comment", "found"), [("", 1), ("# Longer than 40 lines, because.\n", 0)])
def test_a_long_function_is_noticed(comment: str, found: int) -> None:
    """Unless a comment justifies it."""
    assert found == len(list(long_functions(comment + "def f():\n" + "    pass\n" * 40)))
