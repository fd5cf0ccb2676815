"""``harness calibrate``: what equal builds differ by in this environment, for later judgements."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import secrets
import sys
from pathlib import Path

from harness import bundle, gate, wiring
from harness.config import Config, read_config
from harness.errors import UsageError
from harness.judge.calibration import Calibration, EqualRun, calibration_json, learn
from harness.judge.sequential import FailOn, SequentialJudge, block_seconds
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.report import terminal
from harness.runner.deciding import decide
from harness.runner.manifest import runnable

HELP = (
    "Learn the noise of this environment from runs of the same build in both arms, and store it. "
    "Name the file as judge: {calibration: FILE} in harness.yaml, or give it to harness judge --calibration."
)
EXAMPLES = """\
  harness calibrate --runs 5                              runs the baseline's build in both arms, locally
  harness calibrate reports/*/aa-* --out calibration.json learns from recorded runs of equal builds
  harness calibrate --control reports/20261123-0942-a1f3/demo-slow-delay
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and where the result goes."""
    parser.add_argument("bundles", nargs="*", type=Path, help="recorded runs of equal builds (default: make some)")
    parser.add_argument("--runs", type=int, default=5, help="runs to make when no bundles are given (default: 5)")
    parser.add_argument("--config", type=Path, default=Path("harness.yaml"), help="default: harness.yaml")
    parser.add_argument("--control", type=Path, help="a recorded run whose canary was made worse on purpose")
    parser.add_argument("--out", type=Path, default=Path("calibration.json"), help="default: calibration.json")


def run(args: argparse.Namespace) -> int:
    """0 when the noise was learned and the control, if any, was failed; 1 otherwise."""
    records = [bundle.read_bundle(path) for path in args.bundles] or _made(read_config(args.config), args.runs)
    control = None if args.control is None else _failed(bundle.read_bundle(args.control))
    calibration = _learned(records, control)
    bundle.write_atomically(args.out, calibration_json(calibration).encode())
    print(f"{calibration}\nwritten to {args.out}")
    for name, excess in sorted(calibration.excess.items()):
        print(f"  {name:<16} variance beyond independent requests: {excess:.3g} per unit of weight and second")
    return 1 if control is False else 0


def _learned(records: list[Record], control: bool | None) -> Calibration:  # noqa: FBT001 - a fact, no switch
    first = records[0].plan
    runs = [EqualRun(samples=each.samples, phases=each.phases, failed=_failed(each)) for each in records]
    environment = f"{first.service} on {first.target} ({platform.node()})"
    return learn(runs, first.objectives, environment=environment, block_s=block_seconds(first), control=control)


def _failed(record: Record) -> bool:
    return decide(record, SequentialJudge(fail_on=FailOn.BEYOND_TOLERANCE)).verdict is Verdict.FAIL


def _made(config: Config, count: int) -> list[Record]:
    """Runs of the baseline's build in both arms on the local mesh, without faults."""
    if count < 1:
        raise UsageError(f"--runs: expected at least 1, found {count}")
    equal = equal_builds(config)
    run_name, records = gate.new_run_name(), []
    for number in range(1, count + 1):
        folder = config.out.absolute() / run_name / f"equal-{number}"
        scenario = wiring.scenario(equal, name=f"equal builds, run {number}", seed=secrets.randbelow(2**31))
        with wiring.mesh(equal, target="local", folder=folder / "logs") as mesh:
            again = f"{runnable('harness')} calibrate"
            outcome = gate.judge_scenario(scenario, equal, mesh, folder=folder, again=again, notify=_quiet)
        print(terminal.line(outcome.record, outcome.analysis), file=sys.stderr)
        records.append(outcome.record)
    return records


def equal_builds(config: Config) -> Config:
    """The settings with the baseline's build in the canary's place."""
    service = config.services[config.service]
    baseline, canary = service.versions[config.baseline], service.versions[config.canary]
    same = dataclasses.replace(canary, command=baseline.command, env=baseline.env, address=baseline.address)
    changed = dataclasses.replace(service, versions={**service.versions, config.canary: same})
    return dataclasses.replace(config, services={**config.services, config.service: changed})


def _quiet(_: object) -> None:
    """Progress is not shown: each run says its verdict."""
