"""Find the names of the requests that a load profile sends, without importing it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.model.names import did_you_mean
from harness.model.objective import Objective

_SENDS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})
_URL_AT = {"request": 1}
"""The position of the URL among the arguments, where it is not the first."""
_LIBRARIES = frozenset({*sys.stdlib_module_names, "locust", "harness"})
_RENAMES = frozenset({"fire", "rename_request", "request_name", "rest", "rest_"})
"""Attributes of Locust that send or rename requests in ways that this module does not follow."""


def endpoints_of(profile: Path) -> frozenset[str] | None:
    """Return the names of all requests of a profile, or None if they are only known while it runs.

    They are known if the profile consists of its own code, and each request has a literal name or a literal path.
    """
    try:
        tree = ast.parse(profile.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None  # the load generator reports a profile that does not load
    if any(_is_foreign(node) for node in ast.walk(tree)):
        return None
    names: set[str] = set()
    followed: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (client := _client_of(node.func)):
            name = _name(node)
            if name is None:
                return None
            names.add(name)
            followed.add(client)
    clients = {node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "client"}
    return frozenset(names) if names and clients <= followed else None


def require_sent(objectives: Sequence[Objective], *profiles: Path) -> None:
    """Raise UsageError for an objective about an endpoint that no request of the profiles has."""
    asked = [objective for objective in objectives if "endpoint" in objective.labels]
    sent = [endpoints_of(profile) for profile in profiles] if asked else []
    known = None if None in sent or not sent else frozenset().union(*(names for names in sent if names is not None))
    for objective in asked:
        endpoint = objective.labels["endpoint"]
        if known is not None and endpoint not in known:
            profile = " or ".join(dict.fromkeys(profile.stem for profile in profiles))
            raise UsageError(
                f"{objective.text}: expected an endpoint that the load profile {profile} sends, "
                f"found {endpoint!r}{did_you_mean(endpoint, known)}; known: {', '.join(sorted(known))}"
            )


def _is_foreign(node: ast.AST) -> bool:
    """Return whether requests may be sent or renamed by code that is not in the profile."""
    if isinstance(node, ast.Attribute):
        return node.attr in _RENAMES
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] not in _LIBRARIES for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        return bool(node.level) or module.partition(".")[0] not in _LIBRARIES or module.startswith("locust.contrib.")
    return False


def _client_of(function: ast.expr) -> ast.Attribute | None:
    """Return the client if this is ``….client.get`` or another method that sends a request."""
    if not (isinstance(function, ast.Attribute) and function.attr in _SENDS):
        return None
    client = function.value
    return client if isinstance(client, ast.Attribute) and client.attr == "client" else None


def _name(call: ast.Call) -> str | None:
    """Return the literal name of a request, or None if it is computed."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given:  # **options
        return None
    position = _URL_AT.get(call.func.attr, 0) if isinstance(call.func, ast.Attribute) else 0
    path = call.args[position] if len(call.args) > position else given.get("path", given.get("url"))
    value = given.get("name", path)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
