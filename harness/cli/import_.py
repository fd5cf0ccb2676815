"""``harness import``: turn the configuration of another tool into objectives."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.judge.kayenta import parse_config
from harness.judge.kayenta.importing import objectives_yaml

HELP = (
    "Turn another tool's configuration into objectives for harness.yaml, with comments on everything that has no "
    "counterpart."
)
EXAMPLES = """\
  harness import kayenta canary-config.json
  harness import kayenta canary-config.yaml >> harness.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("tool", choices=("kayenta",), help="tool that the configuration is for")
    parser.add_argument(
        "config", metavar="CONFIG", type=Path, help="canary configuration or canary request, as JSON or YAML"
    )


def run(args: argparse.Namespace) -> int:
    """Print the text for harness.yaml and return 0."""
    try:
        text = args.config.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{args.config}: expected a readable text file: {error}") from error
    print(objectives_yaml(parse_config(text, file=str(args.config))), end="")
    return 0
