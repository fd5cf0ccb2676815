"""``harness demo``: judge a canary of the demo application on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from harness import gate, wiring
from harness.cli import demo_release
from harness.cli.demo_size import PROBE_S, Machine, described, longer, measure, sized
from harness.cli.options import add_runs_folder, add_seed, runs_folder
from harness.cli.output import clean_print as print
from harness.config import Config, read_config, with_environment
from harness.config.schema import EDITOR_FILE, EDITOR_LINE, schema_text
from harness.console import noting, reverted, waiting, watcher
from harness.demo import PROJECT
from harness.demo.kinds import Kind
from harness.errors import HarnessError, UsageError
from harness.faults import Fault, abort, delay
from harness.model.names import new_run_id
from harness.model.units import parse_duration
from harness.model.verdict import Verdict
from harness.report import terminal
from harness.report.advice import replay_command
from harness.report.run_index import write_index
from harness.run_folder import finish_run, working_on
from harness.runner.manifest import runnable

HELP = (
    "Start the demo application with a good or a bad canary, send load to canary and baseline, make their dependency "
    "ratings slow or broken, compare them, and write a report. This takes less than a minute. On a slow or busy "
    "machine, which a short measurement detects, it takes up to three times as long."
)
EXAMPLES = """\
  harness demo                       a good canary: pass
  harness demo --canary fragile      fails only while ratings is in trouble: fail, exit code 1
  harness demo --canary slow --seed 7
  harness demo --canary fragile --fault abort
  harness demo --release             release the canary in three steps while users send requests
  harness demo --copy shop           write the demo as a project of your own, to change it and to add scenarios
"""
_FAULTS: Mapping[str, Fault] = {"delay": delay("ratings", "2s", percent=30), "abort": abort("ratings", 503, percent=30)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    kinds = [kind.value for kind in Kind]
    parser.add_argument("--canary", choices=kinds, default="good", help="what is wrong with the new build")
    parser.add_argument("--fault", choices=sorted(_FAULTS), default="delay", help="what happens to ratings")
    add_seed(parser)
    parser.add_argument(
        "--rate", type=float, metavar="RPS", help="requests per second (default: what suits this machine)"
    )
    parser.add_argument(
        "--length",
        metavar="TIME",
        help="length of the steady phase and of the fault (default: what suits this machine)",
    )
    add_runs_folder(parser)
    parser.add_argument(
        "--release",
        action="store_true",
        help="release the canary to 10 %%, 50 %% and all users, with a fault at each step, while users send requests",
    )
    parser.add_argument(
        "--copy",
        type=Path,
        metavar="FOLDER",
        help="run nothing; copy the demo's configuration, Istio resources, load profile and scenarios to a new folder",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo and return the exit code of its verdict, or copy the project of the demo."""
    if args.copy is not None:
        return _copy(args.copy)
    importlib.import_module("harness.demo.web")  # raises MissingExtra now, not later in the log of a service
    if args.release:
        return demo_release.run(Kind(args.canary), runs_folder(args).absolute())
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    fault, config = _FAULTS[args.fault], _config(args.canary, out=runs_folder(args).absolute())
    print(wiring.described(config, "local"), file=sys.stderr)
    print(f"measuring for {PROBE_S:g} s how busy this machine is", file=sys.stderr, flush=True)
    machine = measure()
    config = _sized(args, config, fault, machine)
    if machine.busy:
        print(f"{machine}: results will be less certain", file=sys.stderr)
    again = repeated(runnable("harness"), Kind(args.canary), args.fault, seed, config)
    try:
        outcome = _judged(args, config, fault, seed=seed, again=again)
    except UsageError:
        raise
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        print(f"next     {after_trouble(again, machine)}", file=sys.stderr)
        return error.exit_code
    return _told(outcome, again, next_step(Kind(args.canary), outcome.analysis.verdict, again, config, machine))


def _judged(args: argparse.Namespace, config: Config, fault: Fault, *, seed: int, again: str) -> gate.Outcome:
    """Run the scenario of the demo. After Ctrl-C, say what was reverted."""
    scenario = wiring.scenario(
        config, name=f"demo: {args.canary} canary, {fault.words().text}", seed=seed, faults=[fault]
    )
    folder = config.out / new_run_id() / f"demo-{args.canary}-{args.fault}"
    changes: list[str] = []
    tell = noting(changes, watcher(sys.stderr))
    print(f"{scenario.name}; {described(config)}, seed {seed}", file=sys.stderr, flush=True)
    tell(waiting("local"))
    try:
        with working_on(folder.parent), gate.open_mesh(config, target="local", folder=folder / "logs") as mesh:
            outcome = gate.judge_scenario(scenario, config, mesh, folder=folder, again=again, notify=tell)
    except KeyboardInterrupt:
        print(reverted(changes), file=sys.stderr)
        raise
    finish_run(folder.parent, outcome.analysis.verdict.exit_code)
    write_index(folder.parent)
    return outcome


def _told(outcome: gate.Outcome, again: str, following: str) -> int:
    """Print the analysis and what to do next, and return the exit code of the verdict."""
    record, analysis = outcome.record, outcome.analysis
    sys.stdout.write(terminal.render_details(record, analysis, color=sys.stdout.isatty()) + "\n")
    print(f"verdict  {analysis.verdict}, {terminal.score(record, analysis)}")
    print(f"reason   {analysis.reason}")
    print(f"report   {os.path.relpath(outcome.report)}")
    print(f"rerun    {again}")
    if analysis.verdict is Verdict.FAIL:
        print(f"replay   {replay_command(record, str(outcome.folder))}")
    print(f"next     {following}")
    return analysis.verdict.exit_code


def repeated(program: str, kind: Kind, fault: str, seed: int, config: Config) -> str:
    """Return the command that repeats a run, with its rate and length unless they are those of a quiet machine."""
    usual = read_config(PROJECT / "harness.yaml")
    words = [program, "demo", "--canary", kind, "--fault", fault, "--seed", str(seed)]
    if (config.load, config.phases) != (usual.load, usual.phases):
        words += ["--rate", f"{config.load.rate_rps:g}", "--length", f"{config.phases.steady_s:g}s"]
    return " ".join(words)


def next_step(kind: Kind, verdict: Verdict, again: str, config: Config, machine: Machine) -> str:
    """Return what to do after the demo has ended with ``verdict``. again: the command that repeats the run."""
    first = again.partition(" --")[0]
    match verdict:
        case Verdict.PASS if kind is Kind.GOOD:
            return f"{first} --canary fragile   fails only while ratings is in trouble"
        case Verdict.PASS:
            return f"this canary has a defect, which this run missed; look longer: {_longer(again, config)}"
        case Verdict.FAIL if kind is Kind.GOOD:
            return f"this canary has no defect; 1 of 100 runs fails such a canary; repeat it: {first}"
        case Verdict.FAIL:
            return f"{first} --copy shop   makes a project of your own from the demo"
        case _:
            cause = f"{machine}: close other programs, or " if machine.busy else ""
            return f"{cause}run it for longer: {_longer(again, config)}"


def after_trouble(again: str, machine: Machine) -> str:
    """Return what to do after the demo has ended without a verdict. again: the command that repeats the run."""
    cause = f"{machine}: close other programs, then " if machine.busy else ""
    return f"{cause}run it again: {again}; if that fails too: {again.partition(' demo')[0]} doctor"


def _longer(again: str, config: Config) -> str:
    return f"{again.partition(' --rate')[0]} --length {2 * config.phases.steady_s:g}s"


def _sized(args: argparse.Namespace, config: Config, fault: Fault, machine: Machine) -> Config:
    """Return the configuration with the rate and length from the options or, without them, what suits the machine."""
    if args.rate is None and args.length is None:
        return sized(config, [fault], machine)
    if args.rate is not None:
        config = dataclasses.replace(config, load=dataclasses.replace(config.load, rate_rps=args.rate))
    length_s = config.phases.steady_s if args.length is None else parse_duration(args.length, "--length")
    return longer(config, length_s / config.phases.steady_s)


def _config(kind: str, *, out: Path) -> Config:
    config = dataclasses.replace(read_config(PROJECT / "harness.yaml"), out=out)
    return with_environment(config, config.service, config.canary, {"REVIEWS_KIND": kind})


def _copy(folder: Path) -> int:
    """Copy the demo's project to ``folder``, which must be new or empty, with the schema for editors."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"--copy {folder}: expected a new or empty folder, found one with files or a file")
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "harness.yaml"
    config.write_text(f"{EDITOR_LINE}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
    (folder / EDITOR_FILE).write_text(schema_text(), encoding="utf-8")
    print(f"the demo's project is in {folder}; next: cd {shlex.quote(str(folder))} && harness run")
    return 0
