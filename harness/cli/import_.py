"""``harness import``: what other tools are configured with, as objectives of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.errors import UsageError
from harness.judge.kayenta import parse_config
from harness.judge.kayenta.importing import objectives_yaml

HELP = "Turn another tool's configuration into objectives for harness.yaml, with comments on what has no counterpart."
EXAMPLES = """\
  harness import kayenta canary-config.json
  harness import kayenta canary-config.yaml >> harness.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From what, and which file."""
    parser.add_argument("tool", choices=("kayenta",), help="whose configuration it is")
    parser.add_argument("config", metavar="CONFIG", type=Path, help="canary configuration or request, JSON or YAML")


def run(args: argparse.Namespace) -> int:
    """Print the text for harness.yaml."""
    try:
        text = args.config.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{args.config}: expected a readable text file: {error}") from error
    print(objectives_yaml(parse_config(text, file=str(args.config))), end="")
    return 0
