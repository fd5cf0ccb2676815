"""``harness suite``: list the faults that are worth trying for each dependency, or write them as a scenario."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_IMODE

from harness.cli.options import add_config, add_target
from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.model.config import Config
from harness.model.record import Record
from harness.model.units import format_duration, parse_duration
from harness.runner.dependencies import dependencies
from harness.runner.suite import Circumstances, LeftOut, Trial, trials

HELP = (
    "List the faults that are worth trying for each service that the service under test calls, the riskiest first, "
    "with what they cost. The services come from harness.yaml, from what the proxies counted in recorded runs, and, if "
    "harness.yaml names a Prometheus, from the mesh's own metrics; the order from these and from Istio resources. "
    "Kinds that are not tried are named with what they need. With --write: a scenario with all of the faults, which "
    "harness run can run every night."
)
EXAMPLES = """\
  harness suite
  harness suite --learn latest --most 5
  harness suite --header authorization --write scenarios/test_suite.py
  harness suite --learn latest --write scenarios/test_suite.py --replace
"""
_WRITTEN_BY = "Written by: harness suite"
_SCENARIO = '''"""Faults of what {service} calls, the riskiest first. {command}"""

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
        "--learn", nargs="+", default=[], metavar="RUN",
        help="recorded runs, bundles, or latest: they tell how often each service is called, and whether requests fail "
        "with it",
    )  # fmt: skip
    parser.add_argument(
        "--since",
        default="1h",
        metavar="TIME",
        help="how far back the Prometheus of harness.yaml is asked (default: 1h)",
    )
    parser.add_argument("--most", type=int, metavar="N", help="only the N riskiest faults")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME",
        help="a header that the calls carry, such as authorization: its loss is tried too",
    )  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE", help="write a scenario instead; the file must be new")
    parser.add_argument(
        "--replace", action="store_true", help="let --write replace a file that an earlier harness suite wrote"
    )
    add_target(parser)
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or write the scenario. Raises UsageError for a service that calls nothing."""
    from harness import wiring
    from harness.config import read_config
    from harness.metrics.topology import recent_hops
    from harness.routing.istio.reading import read_resources

    if args.replace and args.write is None:
        raise UsageError("--replace: expected --write FILE with it, found none")
    if args.most is not None and args.most < 1:
        raise UsageError(f"--most: expected a number from 1, found {args.most}")
    config = read_config(args.config)
    records = [record for name in args.learn for record in _records(name, config)]
    since_s = parse_duration(args.since, "--since")
    lately = recent_hops(config, since_s=since_s) if config.prometheus is not None else ()
    resources = read_resources(config.istio, namespace=config.namespace)
    found = dependencies(config, resources, records, lately)
    if not found:
        raise UsageError(
            f"{config.service}: expected services that it calls (services.{config.service}.calls, calls in a recorded "
            f"run: --learn RUN, or calls in a Prometheus in the last {format_duration(since_s)}), found none"
        )
    given = Circumstances(
        config=config, target=wiring.target(config, args.target), headers=args.header, resources=resources
    )
    tried, left_out = trials(found, given)
    chosen = tried[: args.most]
    if args.write is None:
        print("\n".join([*_lines(chosen, config), "", *_not_tried(left_out)]))
    else:
        _write(args.write, chosen, config, replace=args.replace)
        print(f"{args.write}: {len(chosen)} faults, {_cost(chosen, config)}; run it with: harness run {args.write}")
    return 0


def _records(name: str, config: Config) -> list[Record]:
    """Return what a run recorded of the service under test; ``latest`` is the newest run that recorded any of it.

    Raises UsageError if the run is only about other services, and RecordError for one that cannot be read.
    """
    from harness import bundle
    from harness.run_folder import all_runs, find_run

    newest = find_run(name, config.out)
    others: set[str] = set()
    for found in reversed(all_runs(config.out)) if name == "latest" else (newest,):
        services = {folder: bundle.read_outline(folder).plan.service for folder in found.bundles}
        ours = [bundle.read_bundle(folder) for folder, service in services.items() if service == config.service]
        if ours:
            return ours
        others |= {*services.values()}
    known = ", ".join(sorted(others)) or "nothing"
    raise UsageError(f"{name}: expected a run of {config.service}, found one of {known}")


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


def _not_tried(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """Yield the kinds that are not tried, with what they need: a line for each reason, in the order of the kinds."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for one in left_out:
        hosts.setdefault((one.kind, one.why), []).append(one.dependency.name)
    kinds: dict[tuple[str, str], list[str]] = {}
    for (kind, why), services in hosts.items():
        kinds.setdefault((why, ", ".join(services)), []).append(kind)
    if kinds:
        yield "not tried:"
    for (why, on), names in kinds.items():
        yield f"  {', '.join(names)} on {on}: {why}"


def _cost(chosen: Sequence[Trial], config: Config) -> str:
    phases = config.phases
    seconds = phases.warm_up_s + phases.steady_s + len(chosen) * (phases.fault_s + phases.recovery_s)
    return f"at most {format_duration(seconds)} and {seconds * config.load.rate_rps:.0f} requests"


def _write(file: Path, chosen: Sequence[Trial], config: Config, *, replace: bool) -> None:
    names = sorted({trial.fault.kind for trial in chosen})
    text = _SCENARIO.format(
        service=config.service,
        command=f"{_WRITTEN_BY} --write {file}",
        names=", ".join(names),
        faults="\n".join(f"    {trial.source},  # {trial.dependency.why}" for trial in chosen),
        function=config.service.replace("-", "_").replace(".", "_"),
    )
    if replace and file.exists():
        _overwrite(file, text)
        return
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file}: expected a new file, found one: choose another name, or --replace it if harness suite wrote it"
        ) from error


def _overwrite(file: Path, text: str) -> None:
    """Replace a scenario that an earlier suite wrote; its permissions stay, and so does a link to it."""
    from harness import bundle

    if not file.is_file() or _WRITTEN_BY.encode() not in file.read_bytes().partition(b"\n")[0]:
        raise UsageError(f"{file}: expected a scenario that harness suite wrote, found another file, which is kept")
    mode = file.stat().st_mode
    bundle.write_atomically(file.resolve(), text.encode())
    file.chmod(S_IMODE(mode))
