"""``harness show``: print the analysis of a recorded run, or open its report in the browser."""

from __future__ import annotations

import argparse
import sys
import webbrowser

from harness import bundle
from harness.cli.options import add_runs_folder
from harness.report import terminal

HELP = "Print the analysis of a recorded run and the path of its HTML report. --open shows the report in the browser."
EXAMPLES = """\
  harness show latest
  harness show reports/20261123-0942-a1f3/test-slow-ratings --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("bundle", help="folder of a recorded run, or latest")
    add_runs_folder(parser)
    parser.add_argument("--open", action="store_true", help="open the HTML report in the browser")


def run(args: argparse.Namespace) -> int:
    """Print what was recorded and return the exit code of the verdict."""
    folder = bundle.find_bundle(args.bundle, args.out)
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty(), folder=folder) + "\n")
    report = (folder / bundle.REPORT).absolute()
    if args.open:
        webbrowser.open(report.as_uri())
    return analysis.verdict.exit_code
