"""``harness judge``: judge a recorded run again, two files of requests, or Kayenta's metric pairs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import bundle, wiring
from harness.cli import judge_kayenta, judge_prometheus
from harness.cli.options import add_runs_folder, runs_folder
from harness.cli.recorded import told_code
from harness.clients.request_files import read_requests
from harness.errors import UsageError
from harness.judge.arrays import prepared
from harness.judge.objectives import parse_objective
from harness.judge.safeguards import guarded, objections
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.names import did_you_mean
from harness.model.objective import Objective
from harness.model.record import Plan, Record
from harness.model.verdict import Analysis
from harness.report import terminal
from harness.run_folder import find_run
from harness.runner.deciding import JUDGED_BY, decide

HELP = "Judge again what was recorded. The same evidence gives the same analysis. Nothing is sent."
EXAMPLES = """\
  harness judge latest
  harness judge reports/20261123-094210-a1f37c02/test-slow-ratings --objective "latency_p99 < +10%" --alpha 0.001
  harness judge --baseline old.parquet --canary new.csv --objective "error_rate < +0.5pp" --json
  harness judge --prometheus http://127.0.0.1:9090 --baseline '{version="v1"}' --canary '{version="v2"}' --window 30m
  harness judge --kayenta canary-config.json --metrics pairs.json --pass 95 --marginal 75
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("bundle", nargs="?", help="folder of a recorded run or of one of its scenarios, or latest")
    add_runs_folder(parser)
    parser.add_argument(
        "--objective",
        action="append",
        default=[],
        metavar="TEXT",
        help='what to judge, such as "latency_p99 < +10%%"; may be repeated (default: the objectives of the run)',
    )
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="PROBABILITY",
        help="of failing a canary that is no worse than the baseline (default: the run's own, or 0.01)",
    )
    parser.add_argument("--judge", choices=wiring.JUDGES, help="judge of a recorded run (default: the run's own)")
    parser.add_argument(
        "--fail-on",
        choices=[str(each) for each in FailOn],
        help=f"the finding that fails a canary (default: {FailOn.BEYOND_TOLERANCE})",
    )
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="the noise of this environment, as harness calibrate wrote it"
    )
    parser.add_argument("--json", action="store_true", help="print the analysis as JSON")
    files = parser.add_argument_group(
        "files",
        "requests of two builds, as Parquet or CSV with the columns time_s, latency_s and status "
        "(optional: endpoint, phase, instance)",
    )
    files.add_argument("--baseline", type=Path, metavar="FILE", help="requests of the build that runs today")
    files.add_argument("--canary", type=Path, metavar="FILE", help="requests of the new build in the same period")
    files.add_argument(
        "--share", type=float, metavar="RATIO", help="planned share of requests to the canary, for throughput and split"
    )
    judge_prometheus.add_arguments(parser)
    judge_kayenta.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the analysis and return the exit code of the verdict."""
    _check_options(args)
    if args.kayenta is not None:
        return judge_kayenta.run(args)
    if args.prometheus is not None:
        _check_alpha(0.01 if args.alpha is None else args.alpha)
        return judge_prometheus.run(args)
    objectives = tuple(parse_objective(text) for text in args.objective)
    if args.baseline is not None or args.canary is not None:
        record, analysis = _files(args, objectives)
        _print_all([(record, analysis)], as_json=args.json)
        return analysis.verdict.exit_code
    if args.bundle is None:
        raise UsageError("judge: expected a bundle, --baseline and --canary, or --kayenta; found none of them")
    found = find_run(args.bundle, runs_folder(args))
    judged = [_recorded(args, objectives, folder) for folder in found.bundles]
    _print_all(judged, as_json=args.json)
    return told_code(found, [analysis.verdict for _, analysis in judged], quiet=args.json)


def _print_all(judged: Sequence[tuple[Record, Analysis]], *, as_json: bool) -> None:
    """Print the analyses; as JSON one analysis, or a list when there are several or none."""
    if not as_json:
        for record, analysis in judged:
            sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty()) + "\n")
    elif len(judged) == 1:
        sys.stdout.write(bundle.analysis_json(judged[0][1]).decode())
    else:
        documents = [json.loads(bundle.analysis_json(analysis)) for _, analysis in judged]
        sys.stdout.write(json.dumps(documents, indent=1, ensure_ascii=False) + "\n")


def _recorded(args: argparse.Namespace, objectives: Sequence[Objective], folder: Path) -> tuple[Record, Analysis]:
    record = bundle.read_bundle(folder)
    name = args.judge or record.plan.judge.name
    plan = replace(
        record.plan, judge=replace(record.plan.judge, name=name), objectives=tuple(objectives) or record.plan.objectives
    )
    if args.alpha is not None:
        _check_alpha(args.alpha)
        plan = replace(plan, judge=replace(plan.judge, alpha=args.alpha))
    if objectives:
        _check_labels(plan, record.samples.operations)
    record = replace(record, plan=_calibrated(plan, args.calibration))
    judge = SequentialJudge(fail_on=_rule(args)) if name == SequentialJudge().name else wiring.judge(name)
    return record, decide(record, judge)


def _files(args: argparse.Namespace, objectives: Sequence[Objective]) -> tuple[Record, Analysis]:
    if args.baseline is None or args.canary is None or args.bundle is not None:
        raise UsageError("judge: expected --baseline and --canary together, and no bundle")
    if args.judge not in (None, SequentialJudge().name):
        raise UsageError(
            f"--judge {args.judge}: two files are judged by sequential; the other judges take a recorded run"
        )
    case = prepared(
        read_requests(args.baseline),
        read_requests(args.canary),
        objectives,
        alpha=0.01 if args.alpha is None else args.alpha,
        canary_share=args.share,
    )
    plan = replace(case.plan, scenario=f"{args.baseline.name} and {args.canary.name}")
    plan = _calibrated(plan, args.calibration)
    _check_labels(plan, case.evidence.samples.operations)
    judged = SequentialJudge(fail_on=_rule(args)).judge(case.evidence, plan, now_s=case.now_s, final=case.final)
    analysis = guarded(judged, objections(case.evidence, plan), plan)
    analysis = replace(analysis, warnings=(*analysis.warnings, *case.warnings), judged_by=JUDGED_BY)
    samples, phases = case.evidence.samples, case.evidence.phases
    return Record(plan=plan, phases=phases, samples=samples, load=None), analysis


def _check_options(args: argparse.Namespace) -> None:
    """Raise UsageError for an option that the requested judgement does not use, so that none is silently ignored."""
    others: tuple[str, ...]
    if args.kayenta is not None:
        others = ("bundle", "objective", "alpha", "judge", "fail_on", "calibration", "baseline", "canary", "share")
        others = (*others, *judge_prometheus.OPTIONS)
        taken = "--kayenta takes --metrics, --pass, --marginal, --interval, --lookback, --step and --json"
    elif args.prometheus is not None:
        others = (*judge_kayenta.OPTIONS, "bundle", "judge", "fail_on", "calibration", "share")
        taken = "--prometheus takes --baseline, --canary, --window, --objective, --alpha, --json and how it is reached"
    elif args.baseline is not None or args.canary is not None:
        others = (*judge_kayenta.OPTIONS, *judge_prometheus.OPTIONS)
        taken = "--baseline and --canary take --objective, --alpha, --fail-on, --calibration, --share and --json"
    elif args.judge not in (None, SequentialJudge().name):
        others = (*judge_kayenta.OPTIONS, *judge_prometheus.OPTIONS, "share", "alpha", "fail_on", "calibration")
        taken = f"--judge {args.judge} takes --objective and --json"
    else:
        others = (*judge_kayenta.OPTIONS, *judge_prometheus.OPTIONS, "share")
        taken = "a recorded run has its own scores and share of requests"
    for name in others:
        if getattr(args, name) not in (None, []):
            option = "a bundle" if name == "bundle" else "--" + name.removesuffix("_threshold").replace("_", "-")
            raise UsageError(f"judge: expected other options, found {option}: {taken}")


def _rule(args: argparse.Namespace) -> FailOn:
    return FailOn.BEYOND_TOLERANCE if args.fail_on is None else FailOn(args.fail_on)


def _calibrated(plan: Plan, file: Path | None) -> Plan:
    return plan if file is None else wiring.calibration(file).planned(plan)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha: expected a probability above 0 and below 0.5, found {alpha:g}")


def _check_labels(plan: Plan, operations: Sequence[str]) -> None:
    """Raise UsageError for an endpoint that no request has, and for a phase that the run does not have."""
    named = [name for name in operations if name]
    phases = [phase.name for phase in plan.phases]
    kinds = {phase.kind.value for phase in plan.phases}
    for objective in plan.objectives:
        endpoint, phase = objective.labels.get("endpoint"), objective.labels.get("phase")
        if endpoint is not None and endpoint not in named:
            known = ", ".join(named) or "none: the requests carry no endpoint"
            raise UsageError(
                f"{objective.text}: expected an endpoint of the requests, "
                f"found {endpoint!r}{did_you_mean(endpoint, named)}; known: {known}"
            )
        if phase is not None and phase not in {*phases, *kinds}:
            raise UsageError(
                f"{objective.text}: expected a phase of the run, "
                f"found {phase!r}{did_you_mean(phase, phases)}; known: {', '.join(phases) or 'none'}"
            )
