"""``harness replay``: repeat a recorded run on this machine."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cli.options import DEFAULT_CONFIG, add_runs_folder
from harness.cli.output import clean_print as print
from harness.cli.replay_words import planned_lines, told_lines
from harness.config import Config, read_config
from harness.console import noting, reverted, waiting, watcher
from harness.errors import UsageError
from harness.model.names import new_run_id
from harness.replay.asked import Asked, read_asked
from harness.replay.comparing import Answer, Comparison, compared
from harness.replay.packing import is_packed, unpack
from harness.replay.running import replayed
from harness.replay.staging import Options, Stage, staged
from harness.report.run_index import write_index
from harness.run_folder import begin_run, find_run, finish_run

HELP = (
    "Repeat a recorded run on this machine: the same routes, faults, phases, split and load, with your own build as "
    "the canary. Services that cannot run here are played by stand-ins, which answer as recorded. Exit code 0: "
    "reproduced; 1: not reproduced; 11: it cannot be told, with what is missing; 12: trouble; 2: wrong usage."
)
EXAMPLES = """\
  harness replay reports/20261123-094210-a1f37c02/test-slow-ratings
  harness replay slow-ratings.tar.zst --plan
  harness replay latest --canary-command "./reviews --port {port}" --only fault
  harness replay latest --repeat 5 --stand-in ratings
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("bundle", help="folder of a recorded scenario, a file of harness bundle pack, or latest")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration with the commands of the services (default: harness.yaml here, else that of the run)",
    )
    add_runs_folder(parser)
    parser.add_argument("--canary-command", metavar="COMMAND", help="how to start the canary here, with {port}")
    parser.add_argument("--baseline-command", metavar="COMMAND", help="how to start the baseline here, with {port}")
    parser.add_argument(
        "--stand-in",
        action="append",
        default=[],
        metavar="SERVICE",
        help="play this service as recorded although it could run here; baseline plays the baseline",
    )
    parser.add_argument("--only", choices=("fault",), help="leave out the steady phase and the recovery")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="replay N times and count")
    parser.add_argument("--plan", action="store_true", help="say what would run and what would be played; run nothing")


def run(args: argparse.Namespace) -> int:
    """Replay a run and return the exit code of the answer."""
    if args.repeat < 1:
        raise UsageError(f"--repeat: expected a number from 1, found {args.repeat}")
    with asked_of(args.bundle, args.out) as asked:
        config = config_of(args, asked)
        stage = staged(asked, config, options_of(args))
        for line in planned_lines(stage):
            print(line, flush=True)
        if args.plan:
            return 0
        answers = [_once(args, stage, number) for number in range(1, args.repeat + 1)]
    return _counted(answers)


@contextmanager
def asked_of(text: str, out: Path | None) -> Iterator[Asked]:
    """Yield the recorded run that the argument names; a packed file is unpacked for the time of the replay."""
    path = Path(text)
    if is_packed(path):
        with tempfile.TemporaryDirectory(prefix="harness-replay-") as scratch:
            unpack(path, Path(scratch) / path.name.partition(".")[0])
            yield read_asked(Path(scratch) / path.name.partition(".")[0])
        return
    found = find_run(text, out or Path("reports"))
    if len(found.bundles) != 1:
        names = ", ".join(folder.name for folder in found.bundles) or "none"
        raise UsageError(f"{found.folder}: expected a run with one scenario, or the folder of one, found {names}")
    yield read_asked(found.bundles[0])


def config_of(args: argparse.Namespace, asked: Asked) -> Config:
    """Return the configuration of ``--config``, else of harness.yaml here, else of the recorded run if it is here."""
    recorded = asked.record.config.get("file")
    if args.config is None and not DEFAULT_CONFIG.exists() and isinstance(recorded, str) and Path(recorded).is_file():
        return read_config(Path(recorded))
    return read_config((args.config or DEFAULT_CONFIG).absolute())


def options_of(args: argparse.Namespace) -> Options:
    """Return what the arguments ask for."""
    return Options(
        canary_command=args.canary_command,
        baseline_command=args.baseline_command,
        stand_ins=tuple(name for name in args.stand_in if name != "baseline"),
        baseline_played="baseline" in args.stand_in,
        only_fault=args.only == "fault",
    )


def _once(args: argparse.Namespace, stage: Stage, number: int) -> Comparison:
    """Replay once, record it and print the comparison."""
    out = args.out or Path(os.path.relpath(stage.config.out))
    folder = out.absolute() / new_run_id() / f"replay-{stage.asked.folder.name}"
    if args.repeat > 1:
        print(f"replay {number} of {args.repeat}", file=sys.stderr)
    put_back: list[str] = []
    tell = noting(put_back, watcher(sys.stderr))
    tell(waiting("local"))
    begin_run(folder.parent)
    try:
        played = replayed(stage, folder, again=f"harness replay {shlex.quote(str(args.bundle))}", notify=tell)
    except KeyboardInterrupt:
        print(reverted(put_back), file=sys.stderr)
        raise
    finish_run(folder.parent, played.outcome.analysis.verdict.exit_code)
    write_index(folder.parent)
    comparison = compared(stage.asked, played.outcome, cannot=stage.cannot)
    for line in told_lines(stage, played, comparison):
        print(line, flush=True)
    return comparison


def _counted(comparisons: list[Comparison]) -> int:
    """Print how many of several replays reproduced the run; return the exit code of the most frequent answer."""
    answers = [one.answer for one in comparisons]
    if len(answers) > 1:
        counts = ", ".join(f"{answers.count(one)} {one}" for one in Answer if one in answers)
        print(f"of {len(answers)} replays: {counts}")
    if Answer.REPRODUCED in answers:
        return Answer.REPRODUCED.exit_code
    return max(answers, key=answers.count).exit_code
