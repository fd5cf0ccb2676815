"""``harness run``: pytest as the gate."""

from __future__ import annotations

import argparse

import pytest

from harness.mesh.targets import TARGETS

HELP = "Run scenarios with pytest and decide by their verdicts; words after -- go to pytest as they are."
EXAMPLES = """\
  harness run
  harness run scenarios/test_ratings_faults.py --target cluster
  harness run -- -k delay --junit-xml=verdicts.xml --html=reports/index.html --self-contained-html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which scenarios, where; the rest is pytest's."""
    parser.add_argument(
        "scenarios", nargs="*", default=["scenarios"], help="files, folders or node ids (default: scenarios)"
    )
    parser.add_argument("--target", choices=TARGETS, default="local", help="where the service runs")
    parser.add_argument("--seed", type=int, help="seed of arrivals")


def run(args: argparse.Namespace) -> int:
    """The exit code of pytest, or of the verdicts."""
    words = ["-p", "no:locust", f"--harness-target={args.target}", *args.scenarios]
    if args.seed is not None:
        words.append(f"--harness-seed={args.seed}")
    return int(pytest.main(words))
