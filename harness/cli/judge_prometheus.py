"""``harness judge --prometheus``: judge what real users did in the past, by labels of Istio's metrics."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import bundle
from harness.cli.output import clean_print as print
from harness.cli.prometheus_access import OPTIONS as ACCESS
from harness.cli.prometheus_access import add_access, server_for, words_of
from harness.errors import UsageError
from harness.judge.objectives import parse_objective
from harness.judge.sequential import SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.names import new_run_id
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Record
from harness.model.samples import no_samples
from harness.model.units import parse_duration
from harness.report import terminal
from harness.runner.deciding import decide

if TYPE_CHECKING:
    from harness.gate import Outcome
    from harness.metrics.server_side import Measured

OPTIONS = (*ACCESS, "window")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for traffic that a Prometheus has measured."""
    live = parser.add_argument_group(
        "live traffic",
        "what real users did: --baseline and --canary are labels of Istio's metrics then, such as "
        '{service="reviews",version="v1"}',
    )
    add_access(live)
    live.add_argument("--window", metavar="DURATION", help="how far back, such as 30m (default: 30m)")


def run(args: argparse.Namespace) -> int:
    """Print the analysis and return the exit code of the verdict."""
    from harness.metrics.live_traffic import DEFAULT_OBJECTIVES, live_series, matchers_of

    if args.baseline is None or args.canary is None:
        raise UsageError("judge --prometheus: expected --baseline and --canary, two sets of labels; found one or none")
    window_s = parse_duration(args.window or "30m", "--window")
    if not window_s > 0:
        raise UsageError(f"--window: expected a duration above 0, found {args.window}")
    objectives = tuple(parse_objective(text) for text in args.objective or DEFAULT_OBJECTIVES)
    arms = {"baseline": matchers_of(str(args.baseline)), "canary": matchers_of(str(args.canary))}
    with server_for(args) as server:
        end_s = server.now_s()
        measured = live_series(server, objectives, arms, start_s=end_s - window_s, end_s=end_s)
    alpha = 0.01 if args.alpha is None else args.alpha
    record = _record(measured, objectives, window_s=window_s, alpha=alpha)
    if args.out is not None:
        outcome = _kept(args, record)
        record, analysis = outcome.record, outcome.analysis
    else:
        analysis = decide(record, SequentialJudge())
    analysis = replace(analysis, warnings=(*analysis.warnings, *measured.notes))
    if args.json:
        sys.stdout.write(bundle.analysis_json(analysis).decode())
    else:
        sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty()) + "\n")
        for note in measured.notes:
            print(f"note: {note}")
        if args.out is not None:
            print(f"report: {os.path.relpath(outcome.report)}")
    return analysis.verdict.exit_code


def _kept(args: argparse.Namespace, record: Record) -> Outcome:
    """Write the bundle of a run in ``--out``, from which anybody can judge again without the server."""
    from harness.cli.observed_run import recorded_run
    from harness.gate import judge_record
    from harness.runner.manifest import manifest, started_by

    words = ["harness", "judge", *(words_of(args) or ["--prometheus"])]
    words += ["--baseline", str(args.baseline), "--canary", str(args.canary), "--window", args.window or "30m"]
    facts = manifest(
        owner=new_run_id(), again=shlex.join(words), argv=started_by(), cwd=Path.cwd(), started_at=time.time()
    )
    return recorded_run(
        args.out, lambda folder: judge_record(replace(record, manifest=facts), folder, SequentialJudge().name)
    )


def _record(measured: Measured, objectives: tuple[Objective, ...], *, window_s: float, alpha: float) -> Record:
    """Return the record of one steady phase that is over."""
    plan = Plan(
        scenario="live traffic",
        service="",
        target="prometheus",
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=window_s),),
        objectives=objectives,
        canary_share=0.5,
        rate_rps=0.0,
        seed=0,
        judge=JudgeSettings(alpha=alpha),
        live_traffic=True,
    )
    phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=window_s),)
    events = measured.events(window_s)
    return Record(plan=plan, phases=phases, samples=no_samples(), load=None, series=measured.series, events=events)
