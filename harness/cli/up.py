"""``harness up``: the mesh of harness.yaml on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.config import read_config
from harness.errors import EnvoyError, UsageError
from harness.istio.edits import key
from harness.istio.reading import read_resources
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.model.config import Config
from harness.model.record import Json

HELP = (
    "Start every service of harness.yaml behind a real Envoy on this machine, print the URLs, and stay until Ctrl-C. "
    "--apply adds Istio YAML (a resource of the same kind and name replaces the configured one); a changed file is "
    "applied again, and one with a mistake leaves the last good state live."
)
EXAMPLES = """\
  harness up
  harness up --apply virtual-service-ratings-test-delay.yaml
  curl -H 'end-user: jason' http://127.0.0.1:PORT/productpage
"""
_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which configuration, what to add."""
    parser.add_argument(
        "--config", type=Path, default=Path("harness.yaml"), help="configuration (default: harness.yaml)"
    )
    parser.add_argument(
        "--apply", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help="Istio YAML to add"
    )
    parser.add_argument("--logs", type=Path, help="folder for logs (default: a temporary one)")


def run(args: argparse.Namespace) -> int:
    """Stay until Ctrl-C; 0 then."""
    config = read_config(args.config.absolute())
    for file in args.apply:
        if not file.is_file():
            raise UsageError(f"{file}: expected a file with Istio resources, found none")
    with tempfile.TemporaryDirectory(prefix="harness-up-") as folder:
        read_resources([*config.istio, *args.apply], namespace=config.namespace)
        with start_local_mesh(config, args.logs or Path(folder), workloads="all") as mesh:
            if args.apply:
                mesh.replace(_wanted(config, args.apply))
            _say(mesh, config, args.apply)
            try:
                _follow(mesh, config, args.apply)
            except KeyboardInterrupt:
                print("ending services and proxies", file=sys.stderr)
    return 0


def _wanted(config: Config, files: Sequence[Path]) -> list[Json]:
    """The configured resources with those of ``files`` in place of the ones they replace."""
    found = [
        *read_resources(config.istio, namespace=config.namespace),
        *read_resources(files, namespace=config.namespace),
    ]
    return list({key(resource, config.namespace): resource for resource in found}.values())


def _follow(mesh: LocalMesh, config: Config, files: Sequence[Path]) -> None:
    seen = _state(files)
    while True:
        time.sleep(_POLL_S)
        mesh.check()
        now = _state(files)
        if now == seen:
            continue
        seen = now
        try:
            mesh.replace(_wanted(config, files))
        except (UsageError, EnvoyError) as error:
            print(f"not applied, the last good state stays live: {error}", file=sys.stderr, flush=True)
        else:
            print("applied again", flush=True)


def _state(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """Identity, time and size of each file; an editor may replace a file, or remove it for a moment."""
    return [_stat(file) for file in files]


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _say(mesh: LocalMesh, config: Config, files: Sequence[Path]) -> None:
    width = max(map(len, config.services))
    print("services, as the load generator reaches them through its proxy:")
    for name in config.services:
        print(f"  {name:<{width}}  {mesh.url('loadgenerator', name)}")
    print(f"every service by its Host header:  {mesh.outbound('loadgenerator')}")
    print(f"metrics for Prometheus:            {mesh.metrics_url}")
    for file in files:
        print(f"applied:                           {file} (a change is applied again)")
    print("Ctrl-C ends everything", flush=True)
