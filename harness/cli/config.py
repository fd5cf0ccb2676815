"""``harness config``: document the keys of harness.yaml for people and for editors, or check the file."""

from __future__ import annotations

import argparse
import sys

from harness import wiring
from harness.cli.options import add_config
from harness.cli.output import clean_print as print
from harness.config import Config, read_config
from harness.config.schema import reference, schema_text
from harness.load.parent.importing import require_importable
from harness.load.planning.endpoints import require_sent
from harness.load.planning.profile_settings import read_settings
from harness.load.planning.profiles import find_profile
from harness.mesh.command_checks import require_commands
from harness.mesh.services import needed_workloads

HELP = (
    "Print an example of harness.yaml with every key, print a JSON Schema that lets an editor check the file while you "
    "write it, or check a file, the commands of its services and its load profile, without starting a service."
)
EXAMPLES = """\
  harness config reference                     every key with its meaning and its default
  harness config check --config harness.yaml   report mistakes with file, line and key; exit code 2 when there are any
  harness config schema > harness.schema.json  then write this at the top of harness.yaml:
                                               # yaml-language-server: $schema=harness.schema.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("what", choices=("reference", "schema", "check"), help="what to print or do")
    add_config(parser)


def _checked(config: Config) -> str:
    """Check what the file names: commands, unless the service runs on a cluster, and the load profile.

    Return what was checked. Raises UsageError.
    """
    profile = find_profile(config.load.profile, config.load.folders)
    read_settings(profile)
    require_sent(config.objectives, profile)
    require_importable(profile)
    if wiring.target(config, None) != "local":
        return f"the load profile {profile.stem}"
    workloads = needed_workloads(config)
    require_commands(config, workloads)
    names = ", ".join(workload.name for workload in workloads if workload.command is not None) or "none"
    return f"the load profile {profile.stem}; the commands of these services: {names}"


def run(args: argparse.Namespace) -> int:
    """Print the reference or the schema, or check the file. Return 0. Raises ConfigError if the file has a mistake."""
    if args.what == "check":
        config = read_config(args.config)
        checked = _checked(config)
        print(f"{args.config}: no mistakes; {config.service}, baseline {config.baseline}, canary {config.canary}")
        print(f"also checked: {checked}")
    else:
        sys.stdout.write(reference() if args.what == "reference" else schema_text())
    return 0
