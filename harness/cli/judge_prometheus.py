"""``harness judge --prometheus``: judge what real users did in the past, by labels of Istio's metrics."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from harness import bundle
from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Record, Series
from harness.model.samples import no_samples
from harness.model.units import parse_duration
from harness.model.verdict import Analysis
from harness.report import terminal
from harness.runner.deciding import JUDGED_BY

OPTIONS = ("prometheus", "window")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for traffic that a Prometheus has measured."""
    live = parser.add_argument_group(
        "live traffic",
        "what real users did: --baseline and --canary are labels of Istio's metrics then, such as "
        '{service="reviews",version="v1"}',
    )
    live.add_argument("--prometheus", metavar="URL", help="the server that has measured it")
    live.add_argument("--window", metavar="DURATION", help="how far back, such as 30m (default: 30m)")


def run(args: argparse.Namespace) -> int:
    """Print the analysis and return the exit code of the verdict."""
    from harness.clients.prometheus import Prometheus
    from harness.metrics.live_traffic import DEFAULT_OBJECTIVES, live_series, matchers_of

    if args.baseline is None or args.canary is None:
        raise UsageError("judge --prometheus: expected --baseline and --canary, two sets of labels; found one or none")
    window_s = parse_duration(args.window or "30m", "--window")
    objectives = tuple(parse_objective(text) for text in args.objective or DEFAULT_OBJECTIVES)
    arms = {"baseline": matchers_of(str(args.baseline)), "canary": matchers_of(str(args.canary))}
    with Prometheus(args.prometheus) as server:
        end_s = server.now_s()
        measured = live_series(server, objectives, arms, start_s=end_s - window_s, end_s=end_s)
    record, analysis = judged_series(
        measured.series,
        objectives,
        seconds=window_s,
        horizon_s=window_s,
        alpha=0.01 if args.alpha is None else args.alpha,
    )
    analysis = replace(analysis, warnings=(*analysis.warnings, *measured.notes))
    if args.json:
        sys.stdout.write(bundle.analysis_json(analysis).decode())
    else:
        sys.stdout.write(terminal.render(record, analysis, color=sys.stdout.isatty()) + "\n")
        for note in measured.notes:
            print(f"note: {note}")
    return analysis.verdict.exit_code


def judged_series(
    series: tuple[Series, ...], objectives: tuple[Objective, ...], *, seconds: float, horizon_s: float, alpha: float
) -> tuple[Record, Analysis]:
    """Judge series of both arms as one steady phase that has lasted some seconds of its horizon."""
    plan = Plan(
        scenario="live traffic",
        service="",
        target="prometheus",
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=horizon_s),),
        objectives=objectives,
        canary_share=0.5,
        rate_rps=0.0,
        seed=0,
        judge=JudgeSettings(alpha=alpha),
    )
    phases = (Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds),)
    record = Record(plan=plan, phases=phases, samples=no_samples(), load=None, series=series)
    evidence = Evidence(samples=record.samples, phases=phases, series=series)
    analysis = SequentialJudge().judge(evidence, plan, now_s=seconds, final=seconds >= horizon_s)
    return record, replace(analysis, judged_by=JUDGED_BY)
