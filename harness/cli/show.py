"""``harness show``: the report of a recorded run, in the terminal and as a page."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from harness import bundle
from harness.report import terminal

HELP = "Print the analysis of a recorded run and say where its HTML report is; --open shows it in the browser."
EXAMPLES = """\
  harness show latest
  harness show reports/20261123-0942-a1f3/test-slow-ratings --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which bundle, and how to show it."""
    parser.add_argument("bundle", help="folder of a recorded run, or latest")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="where latest looks (default: reports)")
    parser.add_argument("--open", action="store_true", help="open the HTML report in the browser")


def run(args: argparse.Namespace) -> int:
    """Print what was recorded; the exit code is the verdict's."""
    folder = bundle.find_bundle(args.bundle, args.out)
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    print(terminal.render(record, analysis, color=sys.stdout.isatty(), folder=folder))
    report = (folder / bundle.REPORT).absolute()
    if args.open:
        webbrowser.open(report.as_uri())
    return analysis.verdict.exit_code
