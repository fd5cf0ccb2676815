"""``harness run``: run scenarios with pytest, whose exit code decides."""

from __future__ import annotations

import argparse

import pytest

from harness.cli.options import add_seed, add_target

HELP = "Run scenarios with pytest and decide by their verdicts. Words after -- are passed to pytest unchanged."
EXAMPLES = """\
  harness run
  harness run scenarios/test_ratings_faults.py --target cluster
  harness run -- -k delay --junit-xml=verdicts.xml --html=reports/index.html --self-contained-html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("scenarios", nargs="*", default=["scenarios"], help="files, folders or node ids of pytest")
    add_target(parser)
    add_seed(parser)


def run(args: argparse.Namespace) -> int:
    """Run pytest and return its exit code, which the plugin sets to that of the verdicts."""
    words = ["-p", "no:locust", *args.scenarios]
    if args.target is not None:
        words.append(f"--harness-target={args.target}")
    if args.seed is not None:
        words.append(f"--harness-seed={args.seed}")
    return int(pytest.main(words))
