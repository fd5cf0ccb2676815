"""``harness show``: print the analysis of a recorded run, or open its report in the browser."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path

from harness import bundle
from harness.cli.options import add_runs_folder
from harness.model.verdict import Analysis
from harness.report import terminal
from harness.runner.deciding import JUDGED_BY

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
    bundle.check_report(folder)
    sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty(), folder=folder) + "\n")
    for note in _notes(analysis, folder):
        print(f"  note   {note}")
    if args.open:
        webbrowser.open((folder / bundle.REPORT).absolute().as_uri())
    return analysis.verdict.exit_code


def _notes(analysis: Analysis, folder: Path) -> list[str]:
    """Return what to know about the age of the analysis."""
    old = bundle.not_promised(folder)
    if old:
        return [old]
    if analysis.judged_by in ("", JUDGED_BY):
        return []
    again = f"harness judge {shlex.quote(str(folder))}"
    return [f"judged by {analysis.judged_by}, and this is {JUDGED_BY}, which may decide otherwise: {again}"]
