"""Names of Istio's kinds are written in one package only, so that a second routing API is a package next to it."""

from __future__ import annotations

import ast
from pathlib import Path

import harness
from harness.routing.istio.kinds import OBJECTS

ROOT = Path(harness.__file__).parent
KINDS = {kind.name for kind in OBJECTS}


def test_only_the_package_of_istio_names_its_kinds() -> None:
    """No other module contains a string that is the name of a kind."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for file in sorted(ROOT.rglob("*.py"))
        if not file.is_relative_to(ROOT / "routing" / "istio")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KINDS
    ]
    assert [] == found
