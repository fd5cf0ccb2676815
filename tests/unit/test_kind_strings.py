"""Names of a routing API's kinds are written in its package only, so that another one is a package next to it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import harness
from harness.routing import APIS
from harness.routing.port import RoutingApi

ROOT = Path(harness.__file__).parent


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_only_the_packages_of_routing_apis_name_their_kinds(api: RoutingApi) -> None:
    """No module outside them contains a string that is the name of a kind; two APIs may use the same name."""
    kinds = {kind.name for kind in api.objects}
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for file in sorted(ROOT.rglob("*.py"))
        if not any(file.is_relative_to(ROOT / "routing" / package) for package in ("istio", "gateway_api"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in kinds
    ]
    assert [] == found
