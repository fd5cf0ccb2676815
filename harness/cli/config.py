"""``harness config``: the keys of harness.yaml, for people and for editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.config import read_config
from harness.config.schema import reference, schema_text

HELP = (
    "Print every key of harness.yaml on an example, print a JSON Schema with which an editor checks the file while it "
    "is written, or check a file."
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
    parser.add_argument(
        "--config", type=Path, default=Path("harness.yaml"), help="the file to check (default: harness.yaml)"
    )


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; 0 unless a mistake is found, which is raised."""
    if args.what == "check":
        config = read_config(args.config)
        print(f"{args.config}: no mistakes; {config.service}, baseline {config.baseline}, canary {config.canary}")
    else:
        sys.stdout.write(reference() if args.what == "reference" else schema_text())
    return 0
