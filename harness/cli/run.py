"""``harness run``: run scenarios with pytest, whose exit code decides."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Protocol

import pytest

from harness.cli.options import add_runs_folder, add_seed, add_target
from harness.cli.output import clean_print as print
from harness.errors import HarnessError, UsageError
from harness.report import job_summary

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
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration file (default: the nearest harness.yaml here, above, or above the scenarios)",
    )
    add_runs_folder(parser)
    add_seed(parser)


class _Books(Protocol):
    """What the plugin keeps of a session; ``code`` is None until the session has ended."""

    code: int | None


class _Witness:
    """Finds the plugin's account of the session, so that a session without the plugin is noticed."""

    def __init__(self) -> None:
        self.books: _Books | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.books = session.config.pluginmanager.getplugin("harness-account")


def run(args: argparse.Namespace) -> int:
    """Run pytest and return the exit code of the verdicts. A session that judged nothing never returns 0."""
    words = ["-p", "harness", "--harness-require-verdicts=1"]
    given = {"target": args.target, "config": args.config, "out": args.out, "seed": args.seed}
    words += [f"--harness-{name}={value}" for name, value in given.items() if value is not None]
    return _run_pytest([*words, *args.scenarios])


def _run_pytest(words: list[str]) -> int:
    witness = _Witness()
    status = int(pytest.main(words, plugins=[witness]))
    books = witness.books
    if books is not None and books.code is not None:
        return books.code
    if status == pytest.ExitCode.USAGE_ERROR:
        return _no_verdict("pytest did not accept its arguments, so no scenario ran", UsageError.exit_code)
    why = "the plugin of the harness is disabled" if books is None else "pytest ended before its session did"
    return _no_verdict(f"no verdict on the canary: {why} (pytest's exit code {status})", HarnessError.exit_code)


def _no_verdict(why: str, code: int) -> int:
    print(f"harness: {why}", file=sys.stderr)
    kind = "usage" if code == UsageError.exit_code else "trouble"
    job_summary.write([], [("harness run", kind, why)], code=code, words=())
    return code
