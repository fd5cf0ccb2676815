"""The words of ``harness replay``: what will run, and how the replay compares with the record."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.record import Record
from harness.model.units import format_duration
from harness.model.verdict import Analysis
from harness.replay.comparing import Comparison
from harness.replay.running import Played
from harness.replay.staging import Stage
from harness.report import terminal
from harness.report.facts import from_here
from harness.summary import Judged


def planned_lines(stage: Stage) -> Iterator[str]:
    """Yield what a replay will do."""
    asked, scenario = stage.asked, stage.scenario
    plan = asked.record.plan
    yield f"replay   {plan.scenario}, recorded on {plan.target}: {asked.analysis.verdict}, {asked.analysis.reason}"
    faults = "; ".join(fault.words().text for fault in scenario.faults) or "no fault"
    length = format_duration(scenario.warm_up_s + scenario.steady_s + scenario.fault_s + scenario.recovery_s)
    yield f"run      {faults}; {scenario.rate_rps:g} req/s of {scenario.load} for {length}, seed {scenario.seed}"
    yield f"real     {', '.join(workload.name for workload in stage.cast.real)}"
    for name, recorded in stage.cast.played.items():
        known = "" if recorded.fine else ", exact to the bucket"
        bodies = len(stage.recorded_bodies(name))
        kept = f", bodies: {bodies}" if bodies else ""
        yield f"stand-in {name}: {recorded.calls:,} recorded calls{known}{kept}"
    for note in stage.notes:
        yield f"note     {note}"
    for text in stage.differs:
        yield f"differs  {text}"
    for text in stage.cannot:
        yield f"cannot   {text}"


def told_lines(stage: Stage, played: Played, comparison: Comparison) -> Iterator[str]:
    """Yield both analyses side by side, what differs, and the answer."""
    outcome, asked = played.outcome, stage.asked
    yield f"then     {_verdict(asked.record, asked.analysis)}"
    yield f"here     {_verdict(outcome.record, outcome.analysis)}"
    for pair in comparison.difference.objectives:
        yield f"         {pair.key}: {_judged(pair.left)} then, {_judged(pair.right)} here"
    for text in (*stage.differs, *comparison.differs, *played.notes):
        yield f"differs  {text}"
    yield f"report   {from_here(outcome.report)}"
    yield f"answer   {comparison.answer}: {comparison.why}"


def _verdict(record: Record, analysis: Analysis) -> str:
    return f"{analysis.verdict}, {terminal.score(record, analysis)}"


def _judged(one: Judged | None) -> str:
    return "not judged" if one is None else f"{one.verdict} ({one.shown})"
