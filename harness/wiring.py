"""The one place that turns names in the configuration into concrete parts.

Concrete parts are imported inside the functions: a run loads only what it uses.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import assert_never

from harness.config import Config
from harness.errors import UsageError
from harness.judge.port import Judge
from harness.load.locust import LocustLoad
from harness.load.profiles import find_profile
from harness.mesh.port import Mesh
from harness.model.record import Json
from harness.model.scenario import Scenario
from harness.runner.settings import Parts, Settings

JUDGES = ("sequential", "kayenta", "limits")
TARGETS = ("local", "cluster")


def judge(name: str) -> Judge:
    """The judge called ``name``."""
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
        case _:
            raise UsageError(f"unknown judge {name!r}; known: {', '.join(JUDGES)}")


def mesh(config: Config, *, target: str, folder: Path) -> AbstractContextManager[Mesh]:
    """The mesh called ``target``: started on entering, with all it started ended on leaving. ``folder`` takes its logs."""
    match target:
        case "local":
            from harness.mesh.local import start_local_mesh

            return start_local_mesh(config, folder)
        case "cluster":
            from harness.mesh.cluster import open_cluster_mesh

            return open_cluster_mesh(config, folder)
        case _:
            raise UsageError(f"unknown target {target!r}; known: {', '.join(TARGETS)}")


def parts(config: Config, mesh: Mesh) -> Parts:
    """The parts of a run on ``mesh``, with the real clock."""
    return Parts(mesh=mesh, load=LocustLoad(), judge=judge(config.judge), now=time.time, sleep=time.sleep)


def settings(config: Config, scenario: Scenario, *, manifest: Mapping[str, Json]) -> Settings:
    """What the configuration says about running ``scenario``. Raises LoadProfileError for an unknown profile."""
    versions = config.services[config.service].versions
    return Settings(
        service=config.service,
        namespace=config.namespace,
        baseline=versions[config.baseline].labels,
        canary=versions[config.canary].labels,
        canary_share=config.canary_share,
        profile=find_profile(scenario.load, config.load.folders),
        arrivals=config.load.arrivals,
        processes=1,
        judge_name=config.judge,
        alpha=config.alpha,
        pass_score=config.pass_score,
        marginal_score=config.marginal_score,
        error_ceiling=0.9,
        kill_file=config.out / "KILL",
        look_every_s=5.0,
        stop_early=True,
        config={},
        manifest=manifest,
    )


def scenario(
    config: Config, *, name: str, seed: int, faults=(), load=None, objectives=(), **lengths_s: float
) -> Scenario: ...
