"""``harness calibrate``: measure how much equal builds differ in this environment, for later judgements."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import secrets
import sys
from pathlib import Path

from harness import bundle, gate, wiring
from harness.cli.options import add_config, add_runs_folder, runs_folder
from harness.cli.output import clean_print as print
from harness.config import Config, read_config
from harness.errors import UsageError
from harness.judge.calibration import Calibration, EqualRun, calibration_json, learn
from harness.judge.control import Control, controls
from harness.judge.port import Evidence
from harness.judge.sequential import FailOn, SequentialJudge, block_seconds
from harness.model.names import new_run_id
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.report import terminal
from harness.run_folder import finish_run, working_on
from harness.runner.deciding import decide
from harness.runner.manifest import runnable

HELP = (
    "Measure the noise of this environment from runs of the same build in both arms, and write it to a file. "
    "Name the file in harness.yaml as judge: {calibration: FILE}, or pass it to harness judge --calibration."
)
EXAMPLES = """\
  harness calibrate --runs 5                                run the baseline's build in both arms, on this machine
  harness calibrate reports/*/aa-* --save calibration.json   learn from recorded runs of equal builds
  harness calibrate --control                                also test that the judge fails a canary made worse
  harness calibrate reports/*/aa-* --control reports/20261123-094210-a1f37c02/demo-slow-delay
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("bundles", nargs="*", type=Path, help="recorded runs of equal builds (default: run new ones)")
    parser.add_argument("--runs", type=int, default=5, help="number of runs if no bundles are given")
    add_config(parser)
    add_runs_folder(parser)
    parser.add_argument(
        "--control",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="BUNDLE",
        help="test the judge: make the canary of the equal runs worse by what harness plan promises to see, and expect "
        "fails; with BUNDLE, expect a fail for that recorded run instead",
    )
    parser.add_argument(
        "--save", type=Path, default=Path("calibration.json"), metavar="FILE", help="file to write the noise to"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and store the noise. Return 0, or 1 if a control shows that the gate is unfit."""
    records = [bundle.read_bundle(path) for path in args.bundles] or _made(args)
    recorded = None if args.control in {None, Path()} else _failed(bundle.read_bundle(args.control))
    calibration = _learned(records, recorded)
    tested = _tested(records, calibration) if args.control == Path() else ()
    if any(each.fit is not None for each in tested):
        calibration = dataclasses.replace(calibration, control=all(each.fit is not False for each in tested))
    bundle.write_atomically(args.save, calibration_json(calibration).encode())
    print(f"{calibration}\nwritten to {args.save}")
    for name, excess in sorted(calibration.excess.items()):
        print(f"  {name:<16} variance beyond independent requests: {excess:.3g} per unit of weight and second")
    return 0 if _fit(calibration, tested, asked=args.control is not None) else 1


def _tested(records: list[Record], calibration: Calibration) -> tuple[Control, ...]:
    """Judge the recorded runs again with the canary made worse, by the plan with the noise that was just learned."""
    runs = [Evidence(samples=each.samples, phases=each.phases, series=each.series) for each in records]
    plan = calibration.planned(records[0].plan)
    return controls(runs, plan, seed=plan.seed)


def _fit(calibration: Calibration, tested: tuple[Control, ...], *, asked: bool) -> bool:
    """Print what the controls show. Return False if the gate fails equal builds, or misses what it should see."""
    if not asked:
        return True
    if tested:
        print("controls               equal runs with the canary made worse; 95 of 100 should fail")
    for each in tested:
        print(f"  {each}")
    if tested and all(each.fit is None for each in tested):
        print("unfit: no objective could be tested; see what harness plan says about rate, length and tolerance")
        return False
    if calibration.failed:
        print(f"unfit: {calibration.failed} of {calibration.runs} runs of equal builds failed; expected none")
    if calibration.control is False:
        print("unfit: a canary made worse was not failed; send more requests, run longer, or allow a wider tolerance")
    return not calibration.failed and calibration.control is not False


def _learned(records: list[Record], control: bool | None) -> Calibration:  # noqa: FBT001 - a result, not a switch
    first = records[0].plan
    runs = [EqualRun(samples=each.samples, phases=each.phases, failed=_failed(each)) for each in records]
    environment = f"{first.service} on {first.target} ({platform.node()})"
    return learn(runs, first.objectives, environment=environment, block_s=block_seconds(first), control=control)


def _failed(record: Record) -> bool:
    return decide(record, SequentialJudge(fail_on=FailOn.BEYOND_TOLERANCE)).verdict is Verdict.FAIL


def _made(args: argparse.Namespace) -> list[Record]:
    """Run the baseline's build in both arms, on the local mesh and without faults."""
    count: int = args.runs
    if count < 1:
        raise UsageError(f"--runs: expected at least 1, found {count}")
    equal = equal_builds(read_config(args.config))
    print(wiring.described(equal, "local"), file=sys.stderr, flush=True)
    run, records = runs_folder(args).absolute() / new_run_id(), []
    with working_on(run):
        for number in range(1, count + 1):
            folder = run / f"equal-{number}"
            scenario = wiring.scenario(equal, name=f"equal builds, run {number}", seed=secrets.randbelow(2**31))
            with wiring.mesh(equal, target="local", folder=folder / "logs") as mesh:
                again = f"{runnable('harness')} calibrate"
                outcome = gate.judge_scenario(scenario, equal, mesh, folder=folder, again=again, notify=_quiet)
            print(terminal.line(outcome.record, outcome.analysis), file=sys.stderr)
            records.append(outcome.record)
    finish_run(run, 0)
    return records


def equal_builds(config: Config) -> Config:
    """Return the configuration with the baseline's build as the canary."""
    service = config.services[config.service]
    baseline, canary = service.versions[config.baseline], service.versions[config.canary]
    same = dataclasses.replace(canary, command=baseline.command, env=baseline.env, address=baseline.address)
    changed = dataclasses.replace(service, versions={**service.versions, config.canary: same})
    return dataclasses.replace(config, services={**config.services, config.service: changed})


def _quiet(_: object) -> None:
    """Show no progress, because the command prints a line with the verdict after each run."""
