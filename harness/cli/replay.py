"""``harness replay``: repeat a recorded run on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.cli.one_scenario import scenario_folder
from harness.cli.options import DEFAULT_CONFIG, add_runs_folder
from harness.cli.output import clean_print as print
from harness.cli.replay_bisect import bisect
from harness.cli.replay_once import replay_once
from harness.cli.replay_try import planned_tries, try_changes
from harness.cli.replay_words import planned_lines
from harness.config import Config, read_config
from harness.errors import UsageError
from harness.model.formatting import counted
from harness.model.verdict import Verdict
from harness.replay.asked import Asked, read_asked
from harness.replay.comparing import Answer, Comparison
from harness.replay.environments import with_recorded_env
from harness.replay.packing import SUFFIX, is_packed, unpack
from harness.replay.staging import Options, Stage, by_what_failed, longer, staged
from harness.report.facts import from_here
from harness.scratch import scratch

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
  harness replay latest --try all
  harness replay latest --try timeout=400ms --try retries=3x60ms
  harness replay latest --bisect v1.3..HEAD --build "make build"
  harness replay latest --only fault --keep   then curl and debug; Ctrl-C ends it
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
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the mesh up after the replay, with split and faults in force, and print where everything is",
    )
    parser.add_argument(
        "--try",
        dest="try_",
        action="append",
        default=[],
        metavar="CHANGE",
        help="find the smallest change with which it passes: all, or timeout=400ms, retries=0, retries=3x60ms, "
        "outlier=5, connections=100, with ratings. before it for another service; several are allowed",
    )
    parser.add_argument(
        "--bisect", metavar="GOOD..BAD", help="find the commit that made the run fail, with git bisect; needs --build"
    )
    parser.add_argument("--build", metavar="COMMAND", help="builds each commit of --bisect, in its own folder")
    parser.add_argument("--plan", action="store_true", help="say what would run and what would be played; run nothing")


def run(args: argparse.Namespace) -> int:
    """Replay a run and return the exit code of the answer."""
    _require_consistent(args)
    asked, options = asked_of(args), options_of(args)
    config = config_of(args, asked)
    stage = staged(asked, config, options)
    print(f"config   {from_here(config.file)}")
    for line in planned_lines(stage):
        print(line, flush=True)
    if args.plan:
        if args.try_:
            planned_tries(args, asked, config, options)
        return 0
    if args.try_:
        return try_changes(args, asked, config, options)
    if args.bisect is not None:
        return bisect(args, asked, config, options)
    return _repeated(args, stage)


def _require_consistent(args: argparse.Namespace) -> None:
    """Raise UsageError for options that exclude each other."""
    if args.try_ and (args.bisect is not None or args.keep or args.repeat > 1):
        raise UsageError("--try: expected neither --bisect, --keep nor --repeat, found one of them")
    if (args.bisect is None) != (args.build is None):
        raise UsageError("expected --bisect GOOD..BAD and --build COMMAND together, found one of them")
    if args.bisect is not None and (args.keep or args.repeat > 1):
        raise UsageError("--bisect: expected neither --keep nor --repeat, found one of them")
    if args.keep and args.repeat > 1:
        raise UsageError("--keep: expected no --repeat, found both: the mesh of one replay is kept")
    if args.repeat < 1:
        raise UsageError(f"--repeat: expected a number from 1, found {args.repeat}")


def asked_of(args: argparse.Namespace) -> Asked:
    """Return the recorded run that the argument names; a packed file is unpacked only to be read."""
    path = Path(args.bundle)
    if is_packed(path):
        with scratch("harness-replay-") as unpacked:
            folder = unpacked / path.name.removesuffix(SUFFIX)
            unpack(path, folder)
            return read_asked(folder)
    return read_asked(scenario_folder(args.bundle, args, command="harness replay"))


def config_of(args: argparse.Namespace, asked: Asked) -> Config:
    """Return the configuration of ``--config``, else of harness.yaml here, else of the recorded run if it is here.

    A harness.yaml here that does not know the service of the run belongs to something else. With the configuration of
    the recorded run, the recorded values of variables count too, and replays are recorded next to that run.
    """
    recorded = asked.record.config.get("file")
    known = Path(recorded) if isinstance(recorded, str) and Path(recorded).is_file() else None
    if args.config is not None or known is None:
        return read_config((args.config or DEFAULT_CONFIG).absolute())
    here = read_config(DEFAULT_CONFIG.absolute()) if DEFAULT_CONFIG.exists() else None
    if here is not None and (here.file == known or asked.record.plan.service in here.services):
        return here
    out = Path("reports").absolute() if is_packed(Path(args.bundle)) else asked.folder.absolute().parent.parent
    return replace(with_recorded_env(read_config(known), asked.record), out=out)


def options_of(args: argparse.Namespace) -> Options:
    """Return what the arguments ask for."""
    return Options(
        canary_command=args.canary_command,
        baseline_command=args.baseline_command,
        stand_ins=tuple(name for name in args.stand_in if name != "baseline"),
        baseline_played="baseline" in args.stand_in,
        only_fault=args.only == "fault",
    )


def _repeated(args: argparse.Namespace, stage: Stage) -> int:
    """Replay as often as asked for. After Ctrl-C, say what the replays so far have answered."""
    done: list[Comparison] = []
    try:
        while len(done) < args.repeat:
            done.append(_numbered(args, stage, len(done) + 1))
    except KeyboardInterrupt:
        if done:
            print(_counts(done))
        raise
    return _counted(done)


def _numbered(args: argparse.Namespace, stage: Stage, number: int) -> Comparison:
    if args.repeat > 1:
        print(f"replay {number} of {args.repeat}", file=sys.stderr)
    comparison = replay_once(args, stage)
    if comparison.late and not args.keep:
        print("replay   this machine was too busy to send the load on time: once more", flush=True)
        comparison = replay_once(args, stage)
    if comparison.undecided and not args.keep:
        print("replay   too little evidence: once more, with phases that may last twice as long", flush=True)
        comparison = replay_once(args, longer(stage))
    if comparison.elsewhere and not args.keep:
        print("replay   it failed before what failed then was decided: once more, judged by that alone", flush=True)
        comparison = replay_once(args, by_what_failed(stage))
    return comparison


def _counts(comparisons: Sequence[Comparison]) -> str:
    answers = [one.answer for one in comparisons]
    counts = ", ".join(f"{answers.count(one)} {one}" for one in Answer if one in answers)
    return f"of {counted(len(answers), 'replay')}: {counts}"


def _counted(comparisons: list[Comparison]) -> int:
    """Print how many of several replays reproduced the run, and return the exit code.

    A failure that shows once is reproduced; any other verdict is not, once another one shows. Otherwise the most
    frequent answer decides.
    """
    answers = [one.answer for one in comparisons]
    if len(answers) > 1:
        print(_counts(comparisons))
    failed = comparisons[0].difference.sides[0].analysis.verdict is Verdict.FAIL
    decisive = Answer.REPRODUCED if failed else Answer.NOT_REPRODUCED
    if decisive in answers:
        return decisive.exit_code
    return max(answers, key=answers.count).exit_code
