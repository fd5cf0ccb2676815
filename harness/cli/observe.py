"""``harness observe``: judge what real users do, again and again, without any load of ours."""

from __future__ import annotations

import argparse
import sys
import time

from harness.cli.judge_prometheus import judged_series
from harness.cli.options import add_config
from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.model.units import format_duration, parse_duration
from harness.model.verdict import Verdict

HELP = (
    "Judge what real users do: look at the Prometheus of harness.yaml again and again, until harm is proven or the "
    "time is over. Nothing is sent to the services, and nothing is changed: split the traffic before."
)
EXAMPLES = """\
  harness observe --for 30m
  harness observe --for 1h --objective "server:error_rate < +0.5pp" --every 1m
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    parser.add_argument("--for", dest="length", default="30m", metavar="DURATION", help="how long to look")
    parser.add_argument("--every", default="30s", metavar="DURATION", help="the time between two looks")
    parser.add_argument(
        "--objective", action="append", default=[], metavar="TEXT", help="what to judge; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Print a line for each look and the last analysis; return the exit code of its verdict."""
    from harness.config import read_config
    from harness.judge.indicators import indicator_of
    from harness.judge.objectives import parse_objective
    from harness.metrics.connection import connected
    from harness.metrics.live_traffic import DEFAULT_OBJECTIVES
    from harness.metrics.server_side import arm_words, from_prometheus, wanted_of
    from harness.model.indicator import Source
    from harness.model.phase import Phase, PhaseKind
    from harness.report import terminal

    config = read_config(args.config)
    horizon_s, every_s = parse_duration(args.length, "--for"), parse_duration(args.every, "--every")
    if not 1 <= every_s <= horizon_s:
        raise UsageError(f"--every: expected from 1 s to --for, found {args.every}")
    objectives = tuple(map(parse_objective, args.objective or DEFAULT_OBJECTIVES))
    for objective in objectives:
        if indicator_of(objective).spec.source is not Source.SERIES:
            raise UsageError(
                f"{objective.text}: expected an indicator of the server side (harness indicators), no load is sent"
            )
    wanted, arms = wanted_of(objectives, config, shown=()), arm_words(config)
    began = time.time()
    with connected(config) as server:
        while True:
            time.sleep(max(0.0, min(every_s, began + horizon_s - time.time())))
            seconds = min(time.time() - began, horizon_s)
            phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds),)
            measured = from_prometheus(server, wanted, arms=arms, zero_s=began, phases=phases)
            record, analysis = judged_series(
                measured.series, objectives, seconds=seconds, horizon_s=horizon_s, alpha=config.alpha
            )
            print(f"{format_duration(seconds)}: {analysis.verdict}: {analysis.reason}")
            if analysis.verdict in {Verdict.FAIL, Verdict.PASS} or analysis.final:
                break
    for note in measured.notes:
        print(f"note: {note}")
    sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty()) + "\n")
    return analysis.verdict.exit_code
