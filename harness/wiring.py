"""Turn the names in the configuration into concrete parts; nothing else does that.

The parts are imported inside the functions, so that a run loads only what it uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

from harness.clients.clock import steady_clock
from harness.config import Config, resolved
from harness.config.release_gate import VARIABLE, target_of, with_release_arms
from harness.errors import JudgeInputError, UsageError
from harness.faults import Fault
from harness.faults.elsewhere import require_made_by
from harness.judge.port import Judge
from harness.load.parent.locust import LocustLoad
from harness.load.planning.profile_settings import read_settings
from harness.load.planning.profiles import find_profile
from harness.mesh.port import Mesh
from harness.mesh.targets import TARGETS, mesh_kind
from harness.model.json import JsonValue
from harness.model.judge import JudgeSettings
from harness.model.load import DRAIN_S
from harness.model.names import did_you_mean
from harness.model.objective import Objective
from harness.runner.guard_thread import AbortCondition
from harness.runner.scenario import Scenario
from harness.runner.settings import Parts, Settings

if TYPE_CHECKING:
    from harness.judge.calibration import Calibration
    from harness.runner.steps import Arrangement

JUDGES = ("sequential", "kayenta", "limits", "alone")
_LOOK_EVERY_S = 5.0
_Value = TypeVar("_Value")


def judge(name: str) -> Judge:
    """Return the judge called ``name``. Raises UsageError for an unknown name."""
    match name:
        case "sequential":
            from harness.judge.sequential import SequentialJudge

            return SequentialJudge()
        case "kayenta":
            from harness.judge.kayenta.judge import KayentaJudge

            return KayentaJudge()
        case "limits":
            from harness.judge.limits import LimitsJudge

            return LimitsJudge()
        case "alone":
            from harness.judge.alone import AloneJudge

            return AloneJudge()
        case _:
            raise UsageError(f"unknown judge {name!r}; known: {', '.join(JUDGES)}")


def target(config: Config, given: str | None) -> str:
    """Return where to run: what an option gave or, without one, what harness.yaml says. Raises ConfigError.

    The gate of a release runs where the release does.
    """
    gate = os.environ.get(VARIABLE)
    if given is None and gate:
        return target_of(Path(gate))
    if given is None and config.target not in TARGETS:
        near = did_you_mean(config.target, TARGETS)
        raise config.error("target", f"expected one of {', '.join(TARGETS)}, found {config.target!r}{near}")
    return config.target if given is None else given


def described(config: Config, target: str) -> str:
    """Return the line that says where a command runs."""
    where = mesh_kind(target).where(config)
    return f"target {target} ({where})" if where else f"target {target}"


def for_target(config: Config, target: str) -> Config:
    """Return the configuration as the mesh called ``target`` needs it; in the gate of a release, with its arms."""
    file = os.environ.get(VARIABLE)
    if file:
        return with_release_arms(config, Path(file))
    return mesh_kind(target).adapt(config)


def check_faults(faults: Sequence[Fault], config: Config, *, target: str) -> None:
    """Raise UsageError, before anything is started, for faults that cannot be injected together on a target's mesh."""
    require_made_by(target, faults)
    mesh_kind(target).check([fault.declared("") for fault in faults], config)


def mesh(config: Config, *, target: str, folder: Path) -> AbstractContextManager[Mesh]:
    """Return the mesh called ``target``. It starts on entering, and ends all it started on leaving.

    folder: where its logs are written.
    """
    return mesh_kind(target).open(config, folder)


def parts(config: Config, mesh: Mesh) -> Parts:
    """Return the parts of a run on ``mesh``, with the real clock. Raises ConfigError for an unknown judge."""
    if config.judge not in JUDGES:
        raise config.error("judge.name", f"expected one of {', '.join(JUDGES)}, found {config.judge!r}")
    now = steady_clock()
    return Parts(
        mesh=mesh, load=LocustLoad(now=now), judge=judge(config.judge), now=now, sleep=time.sleep, wall=time.time
    )


def calibration(file: Path) -> Calibration:
    """Read the noise of equal builds that ``harness calibrate`` wrote. Raises JudgeInputError for any other file."""
    from harness.judge.calibration import read_calibration

    try:
        return read_calibration(file.read_text(), file)
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeInputError(f"{file}: expected a calibration, found a file that cannot be read: {error}") from error


def _noise(config: Config) -> Calibration | None:
    from harness.runner.learning import known_noise

    if config.calibration is None:
        return None
    return known_noise(config.calibration) if config.update_calibration else calibration(config.calibration)


def judge_settings(config: Config) -> JudgeSettings:
    """Return how the configuration says that runs are judged. Raises JudgeInputError for a bad calibration file."""
    learned = _noise(config)
    return JudgeSettings(
        name=config.judge,
        alpha=config.alpha,
        pass_score=config.pass_score,
        marginal_score=config.marginal_score,
        noise={} if learned is None else learned.excess,
        noise_from="" if learned is None else str(learned),
        baseline_error_ceiling=config.baseline_error_ceiling,
    )


def settings(config: Config, scenario: Scenario, *, target: str, manifest: Mapping[str, JsonValue]) -> Settings:
    """Return the settings for running ``scenario`` on the mesh called ``target``.

    Raises LoadProfileError for an unknown profile.
    """
    profile = find_profile(scenario.load, config.load.folders)
    declared = read_settings(profile)
    return Settings(
        service=config.service,
        namespace=config.namespace,
        baseline=config.workload(config.service, config.baseline).labels,
        canary=config.workload(config.service, config.canary).labels,
        canary_share=config.canary_share,
        split_by=config.split_by,
        profile=profile,
        expected_statuses=declared.expected_statuses,
        sizes_may_differ=declared.sizes_may_differ,
        body_bytes=declared.body_bytes or 0,
        recorded_bytes=config.recorded_bytes,
        entry=config.entry,
        drain_s=DRAIN_S if declared.drain_s is None else declared.drain_s,
        trace_share=declared.trace_share,
        arrivals=config.load.arrivals,
        processes=1,
        judge=judge_settings(config),
        error_ceiling=config.guards.error_ceiling,
        conditions=guard_conditions(config),
        misses=config.guards.misses,
        kill_file=config.out / "KILL",
        look_every_s=_LOOK_EVERY_S,
        config=resolved(config),
        manifest=manifest,
        workload_labels=workload_labels(config),
        real_users=mesh_kind(target).real_users,
        only_test_traffic=config.cluster.only_test_traffic,
    )


def arrangement(config: Config, *, target: str, owner: str, gateway: str, by_hand: bool = False) -> Arrangement:
    """Return what a run of this configuration is called, and which requests it may affect.

    gateway: the gateway that load comes through, as the mesh or the cluster's settings name it. by_hand: whether a
    person injects a single fault.
    """
    from harness.runner.steps import Arrangement

    baseline, canary = (config.workload(config.service, arm).labels for arm in (config.baseline, config.canary))
    real_users = mesh_kind(target).real_users
    only_test_traffic = real_users and config.cluster.only_test_traffic
    return Arrangement(
        owner=owner,
        service=config.service,
        namespace=config.namespace,
        baseline=baseline,
        canary=canary,
        canary_share=config.canary_share,
        split_by=config.split_by,
        gateway=gateway,
        workload_labels=workload_labels(config),
        only_test_traffic=only_test_traffic,
        arm_in_baggage=not real_users or only_test_traffic,
        by_hand=by_hand,
    )


def workload_labels(config: Config) -> dict[str, dict[str, str]]:
    """Return, by service, the pod labels that all of its versions share."""
    found = {}
    for name, service in config.services.items():
        first, *others = [workload.labels for workload in service.versions.values()]
        found[name] = {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}
    return found


def guard_conditions(config: Config) -> tuple[AbortCondition, ...]:
    """Return the abort conditions that the configuration adds: its Prometheus must answer."""
    if config.prometheus is None:
        return ()
    from harness.metrics.connection import check_reachable

    def prometheus_answers() -> str:
        check_reachable(config)
        return ""

    return (AbortCondition(name="Prometheus", ask=prometheus_answers),)


class Given(TypedDict, total=False):
    """What a caller may give instead of the configuration's values; None means the configuration's value too."""

    faults: Sequence[Fault]
    stages: Sequence[Sequence[Fault]]
    load: str | None
    rate_rps: float | None
    objectives: Sequence[Objective] | None
    warm_up_s: float | None
    steady_s: float | None
    fault_s: float | None
    recovery_s: float | None


def scenario(config: Config, *, name: str, seed: int, **given: Unpack[Given]) -> Scenario:
    """Return a scenario; everything that is not given comes from the configuration.

    Raises UsageError for faults and stages, because a stage has all faults of its phase.
    """
    phases, stages = config.phases, tuple(map(tuple, given.get("stages", ())))
    together = tuple(given.get("faults", ()))
    if together and stages:
        raise UsageError(f"{name}: expected faults or stages, found both: put {together[0]} into a stage")
    return Scenario(
        name=name,
        seed=seed,
        faults=together or tuple(fault for stage in stages for fault in stage),
        stages=stages,
        load=_or(given.get("load"), config.load.profile),
        rate_rps=_or(given.get("rate_rps"), config.load.rate_rps),
        objectives=tuple(_or(given.get("objectives"), config.objectives)),
        warm_up_s=_or(given.get("warm_up_s"), phases.warm_up_s),
        steady_s=_or(given.get("steady_s"), phases.steady_s),
        fault_s=_or(given.get("fault_s"), phases.fault_s),
        recovery_s=_or(given.get("recovery_s"), phases.recovery_s),
    )


def _or(value: _Value | None, default: _Value) -> _Value:
    return default if value is None else value
