"""``harness show``: print the analyses of a recorded run, or open its report in the browser."""

from __future__ import annotations

import argparse
import shlex
import sys
import webbrowser
from pathlib import Path

from harness import bundle
from harness.cli.options import add_runs_folder, runs_folder
from harness.cli.output import clean_print as print
from harness.cli.recorded import told_code
from harness.errors import RecordError
from harness.history.retention import is_thinned
from harness.model.verdict import Analysis, Verdict
from harness.report import terminal
from harness.report.run_index import write_index
from harness.run_folder import INDEX, RecordedRun, find_run, worst_code
from harness.runner.deciding import JUDGED_BY

HELP = (
    "Print the analyses of a recorded run and the paths of its HTML pages. The exit code is that of the worst verdict, "
    "or 12 if a scenario has none. --open shows the page of the run, or the report of one scenario, in the browser."
)
EXAMPLES = """\
  harness show latest                               every scenario of the newest run
  harness show latest --open                        its page, with links to the reports, in the browser
  harness show reports/20261123-094210-a1f37c02
  harness show reports/20261123-094210-a1f37c02/test-slow-ratings --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("bundle", help="folder of a recorded run or of one of its scenarios, or latest")
    add_runs_folder(parser)
    parser.add_argument("--open", action="store_true", help="open the HTML page in the browser")


def run(args: argparse.Namespace) -> int:
    """Print what was recorded and return the exit code of the worst verdict."""
    found = find_run(args.bundle, runs_folder(args))
    page = found.folder / bundle.REPORT if found.bundles == (found.folder,) else _index(found.folder)
    shown = [_shown(folder) for folder in found.bundles]
    if page.name == INDEX:
        print(f"  index  {page}")
    if args.open:
        webbrowser.open(page.absolute().as_uri())
    code = told_code(found, shown)
    return code if found.trouble or found.under_way else _with_session(found, code)


def _index(folder: Path) -> Path:
    """Write the page of the run from what is there now, and return its path; a page of before stays if it cannot be."""
    try:
        return write_index(folder)
    except RecordError as error:
        print(f"harness: warning: {error}", file=sys.stderr)
        return folder / INDEX


def _shown(folder: Path) -> Verdict:
    if is_thinned(folder):
        return _outlined(folder)
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    bundle.check_report(folder)
    sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty(), folder=folder) + "\n")
    for note in _notes(analysis, folder):
        print(f"  note   {note}")
    return analysis.verdict


def _outlined(folder: Path) -> Verdict:
    """Print what is left of a bundle whose samples were removed: its verdict, and where its report is."""
    record, analysis = bundle.read_outline(folder), bundle.read_analysis(folder)
    bundle.check_report(folder)
    sys.stdout.write(terminal.line(record, analysis, color=sys.stdout.isatty()) + "\n")
    print(f"  note   the samples were removed to save space\n  report {folder / bundle.REPORT}")
    return analysis.verdict


def _with_session(run: RecordedRun, code: int) -> int:
    """Return the exit code with that of the session, in which a test can fail by an assertion of its own."""
    worst = worst_code([code, run.exit_code or 0])
    if worst != code:
        print(f"the run ended with exit code {run.exit_code}, which its verdicts do not explain")
    return worst


def _notes(analysis: Analysis, folder: Path) -> list[str]:
    """Return what to know about the age of the analysis."""
    old = bundle.not_promised(folder)
    if old:
        return [old]
    if analysis.judged_by in ("", JUDGED_BY):
        return []
    again = f"harness judge {shlex.quote(str(folder))}"
    return [f"judged by {analysis.judged_by}, and this is {JUDGED_BY}, which may decide otherwise: {again}"]
