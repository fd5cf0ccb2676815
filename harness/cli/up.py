"""``harness up``: run the mesh of harness.yaml on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from harness import wiring
from harness.cli.options import add_config
from harness.cli.output import clean_print as print
from harness.config import read_config
from harness.errors import EnvoyError, UsageError
from harness.mesh.local import AppliedFiles, LocalMesh, start_local_mesh
from harness.mesh.services import all_workloads
from harness.model.config import Config, Workload
from harness.routing.istio.reading import read_resources
from harness.scratch import scratch

HELP = (
    "Start every service of harness.yaml behind a real Envoy on this machine, print the URLs, and run until Ctrl-C. "
    "--apply adds Istio YAML. A resource of the same kind and name replaces the configured one. A file is applied "
    "again when it changes; if it has a mistake, the last valid state stays live."
)
EXAMPLES = """\
  harness up
  harness up --apply virtual-service-ratings-test-delay.yaml
  curl -H 'end-user: jason' http://127.0.0.1:PORT/productpage
"""
_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    parser.add_argument(
        "--apply",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="files with Istio resources to add",
    )
    parser.add_argument(
        "--as-istio",
        action="store_true",
        help="serve what Istio serves badly, such as a route to an unknown subset (503), instead of refusing it",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="FOLDER",
        help="folder for logs (default: a temporary one, kept after an error until the next start)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the mesh until Ctrl-C and return 0."""
    config = read_config(args.config.absolute())
    if args.as_istio:
        config = replace(config, followed=replace(config.followed, as_istio=True))
    for file in args.apply:
        if not file.is_file():
            raise UsageError(f"{file}: expected a file with Istio resources, found no such file")
    read_resources([*config.istio, *args.apply], namespace=config.namespace)
    print(wiring.described(config, "local"), file=sys.stderr)
    print("starting every service and Envoy, and waiting until they are ready", file=sys.stderr, flush=True)
    logs = scratch("harness-up-", keep_after_error=True) if args.logs is None else nullcontext(args.logs)
    with logs as folder, start_local_mesh(config, folder, workloads="all") as mesh:
        applied = AppliedFiles(mesh, args.apply)
        applied.apply_if_changed()
        _say(mesh, config, args.apply)
        _warn(mesh)
        try:
            _follow(mesh, applied)
        except KeyboardInterrupt:
            print("stopping services and proxies", file=sys.stderr)
    return 0


def _follow(mesh: LocalMesh, applied: AppliedFiles) -> None:
    while True:
        time.sleep(_POLL_S)
        mesh.check()
        try:
            if applied.apply_if_changed():
                print("applied again", flush=True)
                _warn(mesh)
        except (UsageError, EnvoyError) as error:
            print(f"not applied; the last valid state stays live: {error}", file=sys.stderr, flush=True)


def _warn(mesh: LocalMesh) -> None:
    for line in mesh.warnings():
        print(f"warning: {line}", file=sys.stderr, flush=True)


def _left_out(config: Config) -> list[Workload]:
    started = all_workloads(config)
    return [one for service in config.services.values() for one in service.versions.values() if one not in started]


def _say(mesh: LocalMesh, config: Config, files: Sequence[Path]) -> None:
    width = max(map(len, config.call_names))
    print("URLs of the services, through the load generator's proxy:")
    for name in config.call_names:
        print(f"  {name:<{width}}  {mesh.url('loadgenerator', name)}")
    print(f"all services, by Host header:      {mesh.outbound('loadgenerator')}")
    for name, url in mesh.gateways().items():
        print(f"gateway {name}: {url}")
    print(f"metrics for Prometheus:            {mesh.metrics_url}")
    for workload in _left_out(config):
        print(f"not started:                       {workload.name} (it has neither a command nor an address)")
    for file in files:
        print(f"applied:                           {file} (applied again when the file changes)")
    print("press Ctrl-C to stop everything", flush=True)
