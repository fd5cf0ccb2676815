"""The settings and the concrete parts that a run needs in addition to its scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from harness.judge.port import Judge
from harness.load.port import Load
from harness.mesh.port import Mesh
from harness.model.json import JsonValue
from harness.model.judge import JudgeSettings
from harness.model.load import DRAIN_S, Arrivals
from harness.model.record import Event
from harness.model.split import SplitBy
from harness.model.verdict import Analysis
from harness.runner.guard_thread import AbortCondition
from harness.runner.progress import Progress

Notify: TypeAlias = Callable[[Event | Progress | Analysis], None]
"""Called with every event as it happens, with the progress once a second, and with each interim look of the judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The service under test and how to run it; ``harness.wiring`` makes this from the configuration.

    baseline, canary: labels of the workloads of the two arms. canary_share, split_by: as in ``Plan``.
    arrivals: how requests are spaced. error_ceiling: a run ends when the share of failed canary requests over five
    seconds, in (0, 1], is above it. kill_file: a run ends when this file appears.
    look_every_s: seconds between two looks of the judge; a run ends when a look proves that the canary is worse.
    judge: how the run is judged.
    workload_labels: by service, the pod labels that all of its versions share.
    conditions: additional abort conditions. misses: how many times in a row a condition may fail to be checked.
    real_users: whether requests of others pass through this mesh too. only_test_traffic: touch only requests that carry
    the W3C baggage of the run, if there are others.
    expected_statuses, sizes_may_differ: as in ``Plan``. body_bytes, drain_s, trace_share: as in
    ``LoadPlan``; without a share, it is the usual one for the rate. recorded_bytes: up to how many bytes bodies of
    answers are recorded, by service, on a mesh that does not record them itself; only those of the entry can be.
    entry: the service that the load calls.
    """

    service: str
    namespace: str
    baseline: Mapping[str, str]
    canary: Mapping[str, str]
    canary_share: float
    profile: Path
    arrivals: Arrivals
    processes: int
    judge: JudgeSettings
    error_ceiling: float
    kill_file: Path
    look_every_s: float
    config: Mapping[str, JsonValue]
    manifest: Mapping[str, JsonValue]
    real_users: bool = True
    only_test_traffic: bool = False
    workload_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    conditions: tuple[AbortCondition, ...] = ()
    misses: int = 3
    split_by: SplitBy = SplitBy.WEIGHT
    expected_statuses: tuple[int, ...] = ()
    sizes_may_differ: bool = False
    body_bytes: int = 0
    recorded_bytes: Mapping[str, int] = field(default_factory=dict)
    entry: str = ""
    drain_s: float = DRAIN_S
    trace_share: float | None = None

    @property
    def common_labels(self) -> dict[str, str]:
        """The labels that both arms have; they select the calls of the service under test."""
        return {key: value for key, value in self.baseline.items() if self.canary.get(key) == value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The concrete parts of a run, and its clock.

    now: returns epoch seconds of a clock that cannot be set. sleep: waits for seconds of that clock.
    wall: returns epoch seconds of a clock that goes on while the machine sleeps, so that a sleep is noticed.
    """

    mesh: Mesh
    load: Load
    judge: Judge
    now: Callable[[], float]
    sleep: Callable[[float], None]
    wall: Callable[[], float]
