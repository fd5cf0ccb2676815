"""The load to be sent, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Arrivals(StrEnum):
    """How arrivals are spaced: at even distances, or as a Poisson process."""

    EVEN = "even"
    POISSON = "poisson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The rate goes linearly from ``start_rps`` to ``end_rps`` requests per second within ``duration_s`` seconds."""

    duration_s: float
    start_rps: float
    end_rps: float

    @property
    def arrivals(self) -> float:
        """Expected number of arrivals."""
        return self.duration_s * (self.start_rps + self.end_rps) / 2


DRAIN_S, TRACE_SHARE = 10.0, 0.01
"""What a load profile may set, and a run does without."""
_TRACED_RPS = 10.0


def usual_trace_share(rate_rps: float) -> float:
    """Return the share of a run's requests that are traced where the profile sets none: ten a second, at least 1 %.

    With fewer, a short fault phase would often end without a trace of any request that failed.
    """
    return min(1.0, max(TRACE_SHARE, _TRACED_RPS / rate_rps))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run of one load profile, in the open model: arrivals follow ``stages`` whatever the service does.

    profile: path of the locustfile. url: where it is sent (Locust's host).
    headers: added to every request (the run's mark and W3C baggage).
    arm_header: the response header that carries the arm's name. canary_choice: None, or the share of the requests, in
    (0, 1), that choose the canary with a request header; the others choose the baseline.
    drain_s: how long to wait for answers after the last arrival.
    trace_share: share of the requests, in [0, 1], that carry a sampled W3C ``traceparent``.
    users: None, or the number of users of a closed model: each sends, waits for the answer and for its
    ``wait_time``, and sends again. The stages then only say how long; a slow service gets less load.
    body_bytes: how many bytes to keep of the bodies of failed answers; 0 keeps none.
    answers_of, answer_bytes: the service at ``url``, and up to how many bytes whole bodies of its answers are recorded
    for replays; 0 records none.
    most_in_flight: arrivals that find so many tasks unfinished are dropped, in each process; a proof counts them.
    ca_file: PEM file of the authorities to trust at ``url`` and nowhere else; None for those that the profile trusts.
    """

    profile: Path
    url: str
    stages: tuple[Stage, ...]
    arrivals: Arrivals = Arrivals.EVEN
    seed: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    arm_header: str = "x-harness-arm"
    canary_choice: float | None = None
    processes: int = 1
    drain_s: float = DRAIN_S
    trace_share: float = TRACE_SHARE
    body_bytes: int = 0
    answers_of: str = ""
    answer_bytes: int = 0
    users: int | None = None
    most_in_flight: int = 8000
    ca_file: Path | None = None

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last due request."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def expected(self) -> float:
        """Expected number of arrivals."""
        return sum(stage.arrivals for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What the generator says of itself when it has ended; raw material for proofs.

    planned: arrivals the schedule held. recorded: samples written. counted: Locust's own count.
    dropped: arrivals that were not sent. late_p50_s, late_p99_s: quantiles of the send lateness.
    workers, workers_alive: processes that should, and did, live to the end.
    cpu_share: the busiest process's CPU time over its wall time, in [0, 1].
    started_at: epoch seconds of the first due request. exit_code: Locust's.
    silent: arrivals whose task ended without sending a request. unanswered: requests (or tasks) without an
    answer when the drain ended; each is a sample with status 0 that Locust does not count.
    unfinished: tasks that were cut off after the drain, in the middle of something else than their first request.
    answered: samples with an answer, whatever its status; None in records of before it was counted.
    task_errors: exceptions raised by the profile's tasks. users: users that were needed.
    broken: why samples could not be recorded any more, or empty. closed: whether this was the closed model.
    """

    planned: int
    recorded: int
    counted: int | None
    dropped: int
    late_p50_s: float
    late_p99_s: float
    workers: int
    workers_alive: int
    cpu_share: float
    started_at: float
    exit_code: int
    notes: tuple[str, ...] = ()
    silent: int = 0
    unanswered: int = 0
    unfinished: int = 0
    task_errors: int = 0
    users: int = 0
    answered: int | None = None
    broken: str = ""
    closed: bool = False
