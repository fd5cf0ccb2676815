"""Decide what runs here for real and what a stand-in plays, and what cannot be judged then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import CannotReplay, UsageError
from harness.judge.indicators import indicator_of
from harness.model.config import Config, Service, Workload
from harness.model.indicator import Source
from harness.model.objective import Objective
from harness.replay.answers import Recorded, recorded_answers
from harness.replay.asked import Asked

_WITHOUT_LATENCY = frozenset({"error_rate", "status"})
"""Kinds of indicators that a stand-in as the baseline does not distort."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The cast of a replay. real: workloads that run here. played: what stand-ins answer, by the name of the service.

    baseline_played: whether the baseline is a stand-in too.
    """

    real: tuple[Workload, ...]
    played: Mapping[str, Recorded]
    baseline_played: bool = False


def cast_of(asked: Asked, config: Config, *, stand_ins: Sequence[str] = (), baseline_played: bool = False) -> Cast:
    """Return the cast: everything that has a command or an address runs, stand-ins play the rest.

    stand_ins: services to play although they could run. baseline_played: the same for the baseline. config: with the
    arms of this machine. Raises CannotReplay for what can neither run nor be played, UsageError for a service to play
    that the replay does not reach.
    """
    service = config.services[config.service]
    canary, baseline = service.versions[config.canary], service.versions[config.baseline]
    if not _runs(canary):
        raise CannotReplay(
            f"the canary: expected a command in services.{service.name}.versions.{canary.version} of "
            f"{config.file.name}, or --canary-command, found neither: the build to look at must run here"
        )
    real, played = [canary], dict[str, Recorded]()
    if baseline_played or not _runs(baseline):
        baseline_played = True
        played[service.name] = _of_baseline(asked, service)
    else:
        real.append(baseline)
    reached = _reached(config, stand_ins)
    _require_reached(stand_ins, reached)
    for name in reached:
        dependency = config.services[name]
        if name in stand_ins or not all(_runs(one) for one in dependency.versions.values()):
            played[name] = _played(asked, dependency, config)
        else:
            real += dependency.versions.values()
    return Cast(real=tuple(real), played=played, baseline_played=baseline_played)


def _require_reached(stand_ins: Sequence[str], reached: Sequence[str]) -> None:
    unknown = [name for name in stand_ins if name not in reached]
    if unknown:
        raise UsageError(
            f"--stand-in {unknown[0]}: expected baseline or a service that the replay reaches ({', '.join(reached)})"
        )


def _runs(workload: Workload) -> bool:
    return workload.command is not None or workload.address is not None


def _reached(config: Config, stand_ins: Sequence[str]) -> tuple[str, ...]:
    """Return the services that the entry and the service under test need; a stand-in needs none."""
    found: list[str] = []
    waiting = [config.entry, *config.services[config.service].calls.values()]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found.append(name)
        service = config.services[name]
        if name not in stand_ins and all(_runs(one) for one in service.versions.values()):
            waiting += service.calls.values()
    return tuple(name for name in found if name != config.service)


def _played(asked: Asked, service: Service, config: Config) -> Recorded:
    recorded = recorded_answers(asked.record, service.name)
    if recorded is None:
        raise CannotReplay(
            f"{service.name}: expected calls in the record to play it, or a command in {config.file.name} to run it, "
            "found neither" + ("" if asked.record.hops else ": the bundle has no hops, so nothing can be played")
        )
    return recorded


def _of_baseline(asked: Asked, service: Service) -> Recorded:
    """Return what the recorded baseline answered, to everybody who called it."""
    own = tuple(replace(hop, arm="") for hop in asked.record.hops if hop.arm == "baseline")
    recorded = recorded_answers(replace(asked.record, hops=own), service.name)
    if recorded is None:
        raise CannotReplay(
            "the baseline: expected its answers in the record to play it, or a command in harness.yaml to run it, "
            "found neither"
        )
    return recorded


def judgeable(
    objectives: Sequence[Objective], *, baseline_played: bool, from_cluster: bool
) -> tuple[tuple[Objective, ...], tuple[str, ...]]:
    """Return the objectives that a replay can judge, and for each other one why it cannot."""
    kept, left = [], []
    for objective in objectives:
        spec = indicator_of(objective).spec
        if baseline_played and spec.kind not in _WITHOUT_LATENCY:
            left.append(f"{objective.text}: the baseline is a stand-in, so not both arms are real builds here")
        elif from_cluster and spec.source is Source.SERIES:
            left.append(f"{objective.text}: it was measured by the cluster's Prometheus, which is not here")
        else:
            kept.append(objective)
    return tuple(kept), tuple(left)
