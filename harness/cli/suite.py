"""``harness suite``: list the faults that are worth trying for each dependency, or write them as a scenario."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.cli.options import add_config, add_target
from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.model.config import Config
from harness.model.units import format_duration, parse_duration
from harness.runner.suite import Trial, dependencies, trials

HELP = (
    "List the faults that are worth trying for each service that the service under test calls, the riskiest first, "
    "with what they cost. The services come from harness.yaml, from what the proxies counted in recorded runs, and, if "
    "harness.yaml names a Prometheus, from the mesh's own metrics; the order from these and from Istio resources. With "
    "--write: a scenario with all of them, which harness run can run every night."
)
EXAMPLES = """\
  harness suite
  harness suite --learn reports/20261129-021339-e502358a/* --most 5
  harness suite --write scenarios/test_suite.py
"""
_SCENARIO = '''"""Faults of what {service} calls, the riskiest first. Written by: {command}"""

import pytest
from harness import {names}

FAULTS = [
{faults}
]


@pytest.mark.harness_matrix
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_{function}_withstands(canary, fault):
    """{service} is no worse than the running build while something that it calls is in trouble."""
    canary.run(faults=[fault]).require_pass()
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--learn", nargs="+", type=Path, default=[], metavar="BUNDLE",
        help="recorded runs that tell how often each service is called, and whether requests fail with it",
    )  # fmt: skip
    parser.add_argument(
        "--since",
        default="1h",
        metavar="TIME",
        help="how far back the Prometheus of harness.yaml is asked (default: 1h)",
    )
    parser.add_argument("--most", type=int, metavar="N", help="only the N riskiest faults")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a scenario instead; the file must be new")
    add_target(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or write the scenario. Raises UsageError for a service that calls nothing."""
    from harness import bundle, wiring
    from harness.config import read_config
    from harness.metrics.topology import recent_hops
    from harness.routing.istio.reading import read_resources

    config = read_config(args.config)
    records = [bundle.read_bundle(folder) for folder in args.learn]
    for folder, record in zip(args.learn, records, strict=True):
        if record.plan.service != config.service:
            raise UsageError(f"{folder}: expected a run of {config.service}, found one of {record.plan.service}")
    since_s = parse_duration(args.since, "--since")
    lately = recent_hops(config, since_s=since_s) if config.prometheus is not None else ()
    found = dependencies(config, read_resources(config.istio, namespace=config.namespace), records, lately)
    if not found:
        raise UsageError(
            f"{config.service}: expected services that it calls (services.{config.service}.calls, calls in a recorded "
            f"run: --learn BUNDLE, or calls in a Prometheus in the last {format_duration(since_s)}), found none"
        )
    chosen = trials(found, target=wiring.target(config, args.target))[: args.most]
    if args.write is None:
        print("\n".join(_lines(chosen, config)))
    else:
        _write(args.write, chosen, config)
        print(f"{args.write}: {len(chosen)} faults, {_cost(chosen, config)}; run it with: harness run {args.write}")
    return 0


def _lines(chosen: Sequence[Trial], config: Config) -> list[str]:
    each_s = config.phases.fault_s + config.phases.recovery_s
    rows = [("risk", "fault", "takes", "requests", "why")]
    rows += [
        (
            f"{trial.risk:.2g}", str(trial.fault), format_duration(each_s), f"{each_s * config.load.rate_rps:.0f}",
            trial.dependency.why,
        )
        for trial in chosen
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, "", f"together, with one steady phase: {_cost(chosen, config)}"]


def _cost(chosen: Sequence[Trial], config: Config) -> str:
    phases = config.phases
    seconds = phases.warm_up_s + phases.steady_s + len(chosen) * (phases.fault_s + phases.recovery_s)
    return f"at most {format_duration(seconds)} and {seconds * config.load.rate_rps:.0f} requests"


def _write(file: Path, chosen: Sequence[Trial], config: Config) -> None:
    names = sorted({trial.fault.kind for trial in chosen})
    text = _SCENARIO.format(
        service=config.service,
        command=f"harness suite --write {file}",
        names=", ".join(names),
        faults="\n".join(f"    {trial.source},  # {trial.dependency.why}" for trial in chosen),
        function=config.service.replace("-", "_").replace(".", "_"),
    )
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file}: expected a new file, found one: delete it, or choose another name") from error
