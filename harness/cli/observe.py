"""``harness observe``: judge what real users do, again and again, without any load of ours."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from harness.cli.options import add_config, add_runs_folder, runs_folder
from harness.cli.output import clean_print as print
from harness.cli.prometheus_access import access_of, add_access, words_of
from harness.model.record import Event
from harness.model.units import format_duration, parse_duration
from harness.model.verdict import Analysis
from harness.printable import printable

HELP = (
    "Judge what real users do: look at a Prometheus again and again, until harm is proven or the time is over. "
    "Nothing is sent to the services, and nothing is changed: split the traffic before."
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
    add_access(parser.add_argument_group("server", "another Prometheus than that of harness.yaml"))
    add_runs_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Print a line for each look and the last analysis; return the exit code of its verdict."""
    from harness import gate, wiring
    from harness.cli.observed_run import NAME, recorded_run
    from harness.config import read_config
    from harness.judge.objectives import parse_objective
    from harness.metrics.live_traffic import DEFAULT_OBJECTIVES
    from harness.report import terminal
    from harness.runner.live_run import LiveTraffic, observable

    config = read_config(args.config)
    given = access_of(args)
    if given is not None:
        config = replace(config, prometheus=given[0], prometheus_access=given[1])
    target = wiring.target(config, None)
    asked = [parse_objective(text) for text in args.objective]
    default = [parse_objective(text) for text in DEFAULT_OBJECTIVES]
    users = LiveTraffic(
        name=NAME,
        objectives=tuple(asked) or observable(config.objectives, default),
        length_s=parse_duration(args.length, "--for"),
        every_s=parse_duration(args.every, "--every"),
    )
    gate.plan_of_users(users, config, target=target)
    outcome = recorded_run(
        runs_folder(args),
        lambda folder: gate.observe_traffic(
            users, config, target=target, folder=folder, again=_again(args), notify=_told
        ),
    )
    for line in (one.text for one in outcome.record.events if one.kind == "note"):
        print(f"note: {line}")
    sys.stdout.write(terminal.render(outcome.record, outcome.analysis, color=sys.stdout.isatty()) + "\n")
    print(f"report: {Path(os.path.relpath(outcome.report))}")
    return outcome.analysis.verdict.exit_code


def _told(what: object) -> None:
    if isinstance(what, Analysis):
        print(f"{format_duration(what.decided_at_s)}: {what.verdict}: {what.reason}")
    elif isinstance(what, Event) and what.kind == "guard":
        print(printable(what.text))


def _again(args: argparse.Namespace) -> str:
    words = ["harness", "observe", "--config", str(args.config), "--for", args.length, "--every", args.every]
    words += words_of(args)
    return shlex.join([*words, *(word for text in args.objective for word in ("--objective", text))])
