"""Try changes of a route or a destination against a recorded failure, and find the smallest one that passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.errors import CannotReplay
from harness.model.json import JsonObject
from harness.model.verdict import Analysis, Verdict
from harness.replay.answers import recorded_answers
from harness.replay.at_service import AtService, moved_to_service
from harness.replay.changes_to_try import Try, applied
from harness.replay.comparing import Answer, answered
from harness.replay.sampling import quantile
from harness.replay.script import Trouble
from harness.replay.staging import Stage, longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One change and what the short replay with it said. change: None for the replay without any."""

    change: Try | None
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The smallest tested change that passed a full run, and the resource that has it."""

    change: Try
    resource: JsonObject
    verified: Analysis


def at_the_service(stage: Stage) -> Stage:
    """Return the replay with its faults at the called services, where timeouts and retries come into play.

    Raises CannotReplay for a run without a fault, and for a fault that cannot be moved.
    """
    if not stage.scenario.faults:
        raise CannotReplay("--try: expected a run with a fault, found one without: no change of a route is called for")
    if stage.scenario.stages:
        raise CannotReplay("--try: expected a run with one fault phase, found one with several stages")
    troubles: dict[str, tuple[Trouble, ...]] = {}
    for fault in stage.scenario.faults:
        host, trouble = moved_to_service(fault)
        troubles[host] = (*troubles.get(host, ()), trouble)
    moved = tuple(AtService(fault) for fault in stage.scenario.faults)
    return replace(stage, scenario=replace(stage.scenario, faults=moved), troubles=troubles)


def hosts_of(stage: Stage) -> tuple[str, ...]:
    """Return the services whose routes can be changed: those with a fault first, then all that the service calls."""
    called = stage.config.services[stage.config.service].calls.values()
    return tuple(dict.fromkeys([*stage.troubles, *called]))


def usual_p99_ms(stage: Stage, host: str) -> float:
    """Return the p99 of a service when nothing is wrong. Raises CannotReplay if nobody called it."""
    recorded = recorded_answers(stage.asked.record, host)
    if recorded is None:
        raise CannotReplay(f"--try all: expected calls to {host} in the record, found none: name the changes instead")
    found = {(one.phase, one.arm): one for one in recorded.overall}
    return quantile(found["", ""].latency_ms, 0.99)


def changed(stage: Stage, change: Try) -> tuple[Stage, JsonObject]:
    """Return the replay with a change of its resources, and the changed resource."""
    resources, resource = applied(change, stage.resources, namespace=stage.config.namespace)
    named = replace(stage.scenario, name=f"{stage.scenario.name} with {change}")
    return replace(stage, resources=resources, scenario=named), resource


def smallest_that_passes(
    tries: Sequence[Try],
    stage: Stage,
    *,
    short: Callable[[Stage], Analysis],
    full: Callable[[Stage], Analysis],
    trying: Callable[[int, Try | None], None],
    tell: Callable[[Tried], None],
) -> Found | None:
    """Return the first of the changes with which a full replay passes; None if none does.

    tries: from small to large. short: replays the fault phase only, which rules a change out or not. trying: called
    before each change with its number from 1; the first replay is without a change. Raises
    CannotReplay if the run does not fail without a change once its faults happen at the service.
    """
    trying(0, None)
    unchanged = short(stage)
    tell(Tried(change=None, verdict=unchanged.verdict, reason=unchanged.reason))
    answer, why = answered(stage.asked.analysis, unchanged, cannot=stage.cannot)
    if answer is not Answer.REPRODUCED:
        raise CannotReplay(f"without a change, the failure is not reproduced with the fault at the service: {why}")
    for number, change in enumerate(tries, 1):
        trying(number, change)
        with_change, resource = changed(stage, change)
        analysis = short(with_change)
        tell(Tried(change=change, verdict=analysis.verdict, reason=analysis.reason))
        if analysis.verdict in (Verdict.FAIL, Verdict.MARGINAL):
            continue
        verified = full(with_change)
        tell(Tried(change=change, verdict=verified.verdict, reason=f"in a full run: {verified.reason}"))
        if verified.verdict is Verdict.INCONCLUSIVE:
            verified = full(longer(with_change))
            tell(
                Tried(
                    change=change, verdict=verified.verdict, reason=f"in a run of twice the length: {verified.reason}"
                )
            )
        if verified.verdict is Verdict.PASS:
            return Found(change=change, resource=resource, verified=verified)
    return None
