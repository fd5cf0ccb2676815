"""Write what ``harness release`` prints: plans, states, and how a release ended."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from harness.errors import HarnessError
from harness.model.release import ALIVE_WITHIN_S, FIRST, Outcome, Phase, ReleasePlan, ReleaseRecord
from harness.model.units import format_duration
from harness.release.wording import users_in_words
from harness.report.release_page import headline


def exit_code(record: ReleaseRecord) -> int:
    """Return the exit code of a command that left a release like this."""
    state = record.state
    if state.over:
        return 0 if state.outcome is Outcome.PROMOTED else state.exit_code or HarnessError.exit_code
    return state.exit_code if state.phase is Phase.HELD else 0


def plan_lines(plan: ReleasePlan) -> Iterator[str]:
    """Yield what a release would do, in order."""
    builds = ", ".join(f"{build.service} {build.kind.value} {build.name}" for build in plan.builds)
    yield f"release {builds} on {plan.target}, namespace {plan.namespace}, strategy {plan.settings.strategy.value}"
    yield "deploy   all users to the running build; start the new build and a fresh copy of the running one; wait"
    for service in sorted(set(plan.settings.first) & set(plan.services)):
        yield f"first    {service}: if no build of it runs, the new one is judged by limits and by its own steady phase"
        yield "         and all its users get it as soon as some do"
    for index, step in enumerate(plan.settings.steps, 1):
        checks = [f"scenarios {', '.join(step.scenarios)}"] if step.scenarios else []
        checks += [f"observe {format_duration(step.observe_s)}"] if step.observe_s else []
        yield f"step {index}   {users_in_words(step.weight, step.header)}; then {'; '.join(checks)}"
    doubt = f"marginal: {plan.settings.on_marginal.value}, inconclusive: {plan.settings.on_inconclusive.value}"
    yield f"doubt    {doubt}; a hold sends all users to the running build and ends after " + format_duration(
        plan.settings.hold_s
    )
    how = " ".join(plan.settings.promote_command) or "the stable build takes the new one"
    yield f"promote  {how}; users go back to it; both arms are removed"


def status_lines(record: ReleaseRecord, config: Path) -> Iterator[str]:
    """Yield how a release stands. config: the file of the configuration, for commands."""
    state = record.state
    yield f"release  {record.id} of {', '.join(record.plan.services)}: {headline(state)}"
    if state.reason:
        yield f"reason   {state.reason}"
    for service, identity in record.identities.items():
        yield f"build    {service}: {identity}"
    for service in record.first:
        yield f"first    {service}: {FIRST}"
    yield f"users    {record.users or 'all get what they got before'}"
    for result in record.results:
        took = format_duration(round(result.ended_s - result.began_s, 1))
        yield f"step {result.step + 1}   {result.check} {result.service}: {result.verdict} in {took}; {result.reason}"
    if state.phase is Phase.HELD:
        yield from held_lines(record, config)
    elif not state.over and time.time() - record.seen_s > ALIVE_WITHIN_S:
        yield "next     no process works on it: harness release resume, or harness release abort"


def held_lines(record: ReleaseRecord, config: Path) -> Iterator[str]:
    """Yield what to do about a hold. config: the file of the configuration, for commands."""
    words = f"--config {shlex.quote(str(config))} --release {record.id} --by NAME --reason TEXT"
    until = datetime.fromtimestamp(record.state.expires_s).astimezone().isoformat(timespec="seconds")
    yield f"held     until {until}; no user gets the new build; then it is rejected"
    yield f"next     harness release approve {words}"
    yield f"         harness release reject {words}"


def ended_in_words(record: ReleaseRecord) -> str:
    """Return the line about the end of a release, or about where a command left it."""
    return f"release  {headline(record.state)}" + (f": {record.state.reason}" if record.state.reason else "")
