"""``harness bundle``: pack a recorded run into one file, or unpack such a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import bundle, gate
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
  harness bundle unpack slow-ratings.tar.zst slow-ratings
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("what", choices=("pack", "unpack"), help="what to do")
    parser.add_argument("source", type=Path, help="the folder to pack, or the file to unpack")
    parser.add_argument("result", type=Path, nargs="?", help="the new file or folder (default: next to the source)")


def run(args: argparse.Namespace) -> int:
    """Pack or unpack, and return 0."""
    return _pack(args.source, args.result) if args.what == "pack" else _unpack(args.source, args.result)


def _pack(folder: Path, file: Path | None) -> int:
    name = folder.absolute().name
    file = folder.absolute().parent / f"{name}{SUFFIX}" if file is None else file
    if not file.name.endswith(SUFFIX):
        raise UsageError(f"{file}: expected a name that ends with {SUFFIX}")
    size = pack(folder, file)
    count = len(bundle.read_bundle(folder).samples)
    print(f"{file}: {formatting.number(size / 1e6)} MB for {count:,} requests; without logs and report")
    print(f"to read it: harness bundle unpack {file.name}")
    return 0


def _unpack(file: Path, folder: Path | None) -> int:
    folder = file.parent / file.name.removesuffix(SUFFIX) if folder is None else folder
    unpack(file, folder)
    outcome = gate.report_again(folder)
    print(f"{folder}: {outcome.analysis.verdict}, {outcome.analysis.reason}")
    print(f"report: {outcome.report}")
    return 0
