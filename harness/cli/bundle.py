"""``harness bundle``: pack a recorded run into one file, or unpack such a file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from harness import bundle, gate
from harness.cli.one_scenario import scenario_folder
from harness.cli.options import add_runs_folder
from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.model import formatting
from harness.replay.packing import SUFFIX, pack, unpack

HELP = (
    "Pack the bundle of one scenario into one file to attach to an issue, or unpack such a file. Logs and the report "
    "are left out, because services may have written secrets to them; the report is made again when the file is "
    "unpacked. Send times are rounded to 0.1 ms, and latencies to a ten-thousandth of their median."
)
EXAMPLES = """\
  harness bundle pack reports/20261123-094210-a1f37c02/test-slow-ratings slow-ratings.tar.zst
  harness bundle pack latest
  harness bundle unpack slow-ratings.tar.zst slow-ratings
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("what", choices=("pack", "unpack"), help="what to do")
    parser.add_argument("source", help="the folder of a scenario or latest, to pack, or the file to unpack")
    parser.add_argument(
        "result", type=Path, nargs="?", help="the new file or folder (default: in this folder, named like the source)"
    )
    add_runs_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Pack or unpack, and return 0."""
    if args.what == "unpack":
        return _unpack(Path(args.source), args.result)
    return _pack(scenario_folder(args.source, args, command="harness bundle pack"), args.result)


def _pack(folder: Path, file: Path | None) -> int:
    file = Path(f"{folder.absolute().name}{SUFFIX}") if file is None else file
    if not file.name.endswith(SUFFIX):
        raise UsageError(f"{file}: expected a name that ends with {SUFFIX}")
    size = pack(folder, file)
    count = len(bundle.read_bundle(folder).samples)
    print(f"{file}: {formatting.number(size / 1e6)} MB for {count:,} requests; without logs and report")
    print(f"to read it: harness bundle unpack {shlex.quote(str(file))}")
    print(f"to replay it: harness replay {shlex.quote(str(file))}")
    return 0


def _unpack(file: Path, folder: Path | None) -> int:
    folder = Path(file.name.removesuffix(SUFFIX)) if folder is None else folder
    unpack(file, folder)
    outcome = gate.report_again(folder)
    print(f"{folder}: {outcome.analysis.verdict}, {outcome.analysis.reason}")
    print(f"report: {outcome.report}")
    return 0
