"""``harness config``: document the keys of harness.yaml for people and for editors, or check the file."""

from __future__ import annotations

import argparse
import sys

from harness.cli.options import add_config
from harness.cli.output import clean_print as print
from harness.config import read_config
from harness.config.schema import reference, schema_text

HELP = (
    "Print an example of harness.yaml with every key, print a JSON Schema that lets an editor check the file while you "
    "write it, or check a file."
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


def run(args: argparse.Namespace) -> int:
    """Print the reference or the schema, or check the file. Return 0. Raises ConfigError if the file has a mistake."""
    if args.what == "check":
        config = read_config(args.config)
        print(f"{args.config}: no mistakes; {config.service}, baseline {config.baseline}, canary {config.canary}")
    else:
        sys.stdout.write(reference() if args.what == "reference" else schema_text())
    return 0
