"""``harness explore``: find the smallest fault that each arm does not withstand."""

from __future__ import annotations

import argparse
import dataclasses
import os
import secrets
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.options import add_config, add_runs_folder, add_target, runs_folder
from harness.cli.output import clean_print as print
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.config import Config
    from harness.explore.exploration import Exploration
    from harness.explore.faults import Searched
    from harness.runner.scenario import Scenario

HELP = (
    "Find the breaking point of each arm: the smallest fault at which it leaves the tolerance against its own steady "
    "phase. Amounts are tried from mild to harsh, then between the last one withstood and the first that broke an arm."
)
EXAMPLES = """\
  harness explore reviews --fault "delay(ratings)"
  harness explore --fault "abort(ratings, 503)" --fault "delay(details)" --max-minutes 10
  harness explore --fault "delay(ratings)" --from 50ms --up-to 1s --at-least 300ms
  harness explore --fault "delay(ratings)" --objective "latency_p90 < +50%"
"""
OBJECTIVE = "error_rate < +10pp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("service", nargs="?", help="the service under test (default: the one of harness.yaml)")
    parser.add_argument(
        "--fault", action="append", required=True, metavar="FAULT",
        help="what to search: delay(HOST) by time, delay(HOST, TIME) or abort(HOST, STATUS) by the share of requests; "
        "may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--objective", action="append", default=[], metavar="TEXT",
        help=f"the tolerance against the arm's own steady phase; may be repeated (default: {OBJECTIVE})",
    )  # fmt: skip
    parser.add_argument("--from", dest="low", metavar="AMOUNT", help="the mildest amount (default: 10ms or 1%%)")
    parser.add_argument("--up-to", dest="high", metavar="AMOUNT", help="the harshest amount (default: 5s or 100%%)")
    parser.add_argument(
        "--precision", default="5%", metavar="PERCENT", help="how close to come to the breaking point (default: 5%%)"
    )
    parser.add_argument(
        "--probe", default="5s", metavar="TIME", help="how long to try an amount at first (default: 5s)"
    )
    parser.add_argument(
        "--steady", default="20s", metavar="TIME", help="the steady phase, and the longest probe (default: 20s)"
    )
    parser.add_argument("--rate", type=float, help="requests per second (default: the one of harness.yaml)")
    parser.add_argument(
        "--max-minutes", type=float, default=10.0, metavar="N", help="the most time for each fault (default: 10)"
    )
    parser.add_argument(
        "--at-least", metavar="AMOUNT", help="return 1 unless the canary withstands this, for use as a gate"
    )
    add_target(parser)
    add_config(parser)
    add_runs_folder(parser)


def run(args: argparse.Namespace) -> int:
    """Search, print a table, write pages. Return 0, 1 below ``--at-least``, 11 if something is not known."""
    from harness import gate, wiring
    from harness.explore.faults import searched
    from harness.explore.wording import summary, table
    from harness.faults.elsewhere import LOCAL
    from harness.history.searches import FOLDER
    from harness.judge.objectives import parse_objective
    from harness.model.names import new_run_id
    from harness.model.units import parse_duration, parse_percent
    from harness.run_folder import worst_code

    config = _config(args)
    target = wiring.target(config, args.target)
    config = wiring.for_target(config, target)
    precision = parse_percent(args.precision, "--precision")
    wanted = [
        searched(text, low=args.low, high=args.high, precision=precision, asked=args.at_least) for text in args.fault
    ]
    scenario = wiring.scenario(
        config, name="explore", seed=secrets.randbelow(2**31), rate_rps=args.rate,
        objectives=[parse_objective(text) for text in args.objective or [OBJECTIVE]],
        steady_s=parse_duration(args.steady, "--steady"),
    )  # fmt: skip
    for one in wanted:
        trial = dataclasses.replace(scenario, faults=(one.of(one.range.low),), fault_s=1.0)
        gate.check_scenario(trial, config, target=target)
        if target == LOCAL:
            require_called(one, config)
    print(wiring.described(config, target), file=sys.stderr, flush=True)
    out = runs_folder(args).absolute() / FOLDER / new_run_id()
    searches = []
    for number, one in enumerate(wanted, start=1):
        found, page = _searched(args, one, scenario, config, target=target, folder=out / f"{number}-{one.host}")
        print(f"{one.text}: {summary(found)}\n  page: {Path(os.path.relpath(page))}")
        searches.append(found)
    for line in table(searches) if len(searches) > 1 else ():
        print(line)
    return worst_code([_code(found) for found in searches])


def _config(args: argparse.Namespace) -> Config:
    """Return the configuration. Raises UsageError for a service without two arms, or no time."""
    from harness.config import read_config

    config = read_config(args.config)
    if args.service not in (None, config.service):
        raise UsageError(
            f"{args.service}: expected the service under test of {args.config}, which is {config.service}: only it has "
            "two arms"
        )
    if not args.max_minutes > 0:
        raise UsageError(f"--max-minutes: expected more than 0, found {args.max_minutes:g}")
    return config


def require_called(one: Searched, config: Config) -> None:
    """Raise UsageError for a fault at a service that the arms do not call: no amount of it could break them."""
    from harness.runner.counts import service_name

    service = config.services[config.service]
    called = (*service.calls.values(), *service.external.values())
    if one.host not in called and service_name(one.host) not in (config.service, *service.calls.values()):
        raise UsageError(
            f"{one.text}: expected a service that {config.service} calls, found {one.host}; {config.service} calls "
            f"{', '.join(called) or 'no other service'} (calls in {config.file.name})"
        )


def _searched(
    args: argparse.Namespace, one: Searched, scenario: Scenario, config: Config, *, target: str, folder: Path
) -> tuple[Exploration, Path]:
    """Search one fault and write its record and its page."""
    from harness import bundle, console, gate, wiring
    from harness.explore import record
    from harness.explore.exploration import Times, explore
    from harness.explore.page import render
    from harness.history import searches
    from harness.model.names import new_run_id
    from harness.model.units import parse_duration

    settings = wiring.settings(config, scenario, target=target, manifest={})
    if not settings.real_users:  # nobody is hurt by a canary that fails, and the search wants to see it fail
        settings = dataclasses.replace(settings, error_ceiling=1.0)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with gate.open_mesh(config, target=target, folder=folder / "logs") as mesh:
        found = explore(
            one, scenario, settings, wiring.parts(config, mesh), owner=new_run_id(), folder=folder,
            times=Times(probe_s=parse_duration(args.probe, "--probe"), most_s=60 * args.max_minutes),
            notify=console.watcher(sys.stderr),
        )  # fmt: skip
    command = shlex.join(["harness", "explore", *_words(args, one)])
    document = record.as_json(found, service=config.service, target=target, started=started, command=command)
    bundle.write_atomically(folder / searches.FILE, record.written(document))
    others = [path for path in folder.parents[1].iterdir() if path.is_dir()]
    nights = tuple(record.earlier(others, service=config.service, fault=one.text, target=target))
    page = render(found, service=config.service, target=target, command=command, nights=nights)
    bundle.write_atomically(folder / searches.PAGE, page.encode())
    return found, folder / searches.PAGE


def _words(args: argparse.Namespace, one: Searched) -> list[str]:
    """Return the words of the command that repeats one search."""
    words = ["--fault", one.text, "--target", args.target] if args.target else ["--fault", one.text]
    given = {"from": args.low, "up-to": args.high, "precision": args.precision, "probe": args.probe, "rate": args.rate}
    given |= {"steady": args.steady, "max-minutes": f"{args.max_minutes:g}", "config": args.config}
    words += [word for text in args.objective for word in ("--objective", text)]
    return [*words, *(word for name, value in given.items() if value is not None for word in (f"--{name}", str(value)))]


def _code(found: Exploration) -> int:
    """Return the exit code of one search."""
    point, asked = found.point("canary"), found.searched.range.asked
    if found.unproven:
        return 11
    if asked is not None:
        if point.broke is not None and point.broke <= asked:
            show = found.searched.show
            print(f"the canary does not withstand {show(asked)}: it breaks at {show(point.broke)}")
            return 1
        if point.withstood is None or point.withstood < asked:
            return 11
    undecided = point.broke is None and point.withstood is None
    return 11 if found.ended or undecided or found.doubts("canary") else 0
