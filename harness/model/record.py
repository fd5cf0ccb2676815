"""The record of a run: all that judges and reports read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.model.arm_pod import ArmPod
from harness.model.bodies import Body, DependencyBody
from harness.model.declared import Declared
from harness.model.hit import HitState
from harness.model.hops import Hop
from harness.model.json import JsonObject, JsonScalar, JsonValue
from harness.model.judge import JudgeSettings
from harness.model.load import LoadReport
from harness.model.objective import Objective
from harness.model.phase import Phase, PhasePlan
from harness.model.samples import ARMS, Samples
from harness.model.server_indicator import OF, STATUS, answers_key
from harness.model.spans import Span
from harness.model.split import SplitBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened ``at_s`` seconds after the first due request (negative before it).

    kind: a short word by which reports may choose how to draw the event (``phase``, ``fault``, ``proof``, ``guard``,
    ``drift``, ``rollback``, ``service``, ``note``).
    """

    at_s: float
    kind: str
    text: str
    fields: Mapping[str, JsonScalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was decided before the run started.

    canary_share: the share of requests that the canary should answer, in (0, 1), or the share of requests whose copies
    it should get, in (0, 1]. split_by: how requests are distributed. judge: how the run is judged. Objectives apply to
    every judged phase unless they name one. expected_statuses: HTTP statuses of 1xx, 3xx and 4xx that the load profile
    expects, which count as answers of a working service. live_traffic: whether the requests of real users are judged,
    as the server side counted them, and none was sent. sizes_may_differ: whether the load profile says that the canary
    may answer with much less than the baseline.
    """

    scenario: str
    service: str
    target: str
    phases: tuple[PhasePlan, ...]
    objectives: tuple[Objective, ...]
    canary_share: float
    rate_rps: float
    seed: int
    split_by: SplitBy = SplitBy.WEIGHT
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    expected_statuses: tuple[int, ...] = ()
    live_traffic: bool = False
    sizes_may_differ: bool = False

    @property
    def duration_s(self) -> float:
        """Planned seconds from the first due request to the last."""
        return sum(phase.duration_s for phase in self.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCount:
    """What the proxies counted while a fault was live, for one caller.

    caller: workload and version, e.g. ``reviews-v3``; arm is baseline, canary or empty.
    requests: the calls to the fault's host; hit: how many of them carried the fault's response flag. test_share: the
    share of the caller's requests that belong to the run, in (0, 1], if a fault hits test traffic only; ``requests`` is
    then that share of all counted calls, because proxies do not tell test traffic from other traffic. declared: what
    the fault does; None in records of the first format. dose: the share of requests to hit; None for a condition.
    state, why: what the fault reported about its hits.
    """

    phase: str
    fault: str
    host: str
    caller: str
    arm: str
    requests: int
    hit: int
    dose: float | None
    test_share: float = 1.0
    declared: Declared | None = None
    state: HitState = HitState.COUNTED
    why: str = ""

    @property
    def fault_id(self) -> str:
        """What identifies this fault: its id, or its text in records of the first format."""
        return self.fault if self.declared is None else self.declared.id


def hits_of(counts: Iterable[FaultCount], phase: str) -> tuple[int, int] | None:
    """Return how many calls of the baseline and of the canary faults hit in a phase; None if nothing was counted."""
    own = [count for count in counts if count.phase == phase]
    if not own:
        return None
    baseline, canary = (sum(count.hit for count in own if count.arm == arm) for arm in ARMS)
    return baseline, canary


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """One undo: whether the resources and the proxies were seen to be as before, and how long it took."""

    change: str
    verified: bool
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric over time for one arm: epoch-free seconds since the first due request, and values (NaN is a gap)."""

    name: str
    arm: str
    unit: str
    source: str
    at_s: tuple[float, ...]
    values: tuple[float, ...]


DOUBT = "doubt"
"""The kind of an event that tells why the answers of the server side may be incomplete."""
FAULTS_LIVE = "faults_live"
"""The field of an event that tells how many faults are in force from then on."""
HARM_PROVEN = "harm is proven"
"""How ``Record.aborted`` begins when a look of the judge ended the run; its reason at that look follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run as recorded. ``resources`` maps ``before``, ``during`` and ``after`` to lists of Istio resources.

    proxy_requests: requests the proxies counted from the load generator to the service under test, by arm.
    endpoint_requests: requests that the proxies sent to the endpoints of each arm, by arm and address; empty where the
    mesh does not count them. arm_pods: the pods behind each arm, by arm; empty where the mesh has no pods.
    manifest: versions, commit, argv, platform, start time and the command that runs it again.
    aborted: why the run ended early, or empty. hops: what each arm answered and called, by phase. spans: of the traced
    requests, in no particular order; empty where the mesh exports none. bodies: of failed answers, if the load profile
    asks for them. dependency_bodies: of services of which the configuration asks for them.
    """

    plan: Plan
    phases: tuple[Phase, ...]
    samples: Samples
    load: LoadReport | None
    events: tuple[Event, ...] = ()
    fault_counts: tuple[FaultCount, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    series: tuple[Series, ...] = ()
    resources: Mapping[str, tuple[JsonObject, ...]] = field(default_factory=dict)
    proxy_requests: Mapping[str, int] = field(default_factory=dict)
    endpoint_requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    arm_pods: Mapping[str, tuple[ArmPod, ...]] = field(default_factory=dict)
    manifest: Mapping[str, JsonValue] = field(default_factory=dict)
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    aborted: str = ""
    hops: tuple[Hop, ...] = ()
    spans: tuple[Span, ...] = ()
    bodies: tuple[Body, ...] = ()
    dependency_bodies: tuple[DependencyBody, ...] = ()

    @property
    def ended(self) -> str:
        """Why the run ended early, or empty.

        Without the judge's reason at that look: the analysis of all requests has its own, with other numbers.
        """
        return HARM_PROVEN if self.aborted.startswith(HARM_PROVEN) else self.aborted

    def answers_to_users(self, arm: str) -> tuple[tuple[float, float], ...]:
        """Return how many requests of real users an arm answered, by block of time.

        A block is its middle in seconds, and the number. There are none in a run of our own load.
        """
        start = answers_key(STATUS, "").removesuffix("}")
        for one in self.series if self.plan.live_traffic else ():
            if one.arm == arm and one.name.startswith(start) and one.name.endswith(OF):
                pairs = zip(one.at_s, one.values, strict=True)
                return tuple((at_s, count) for at_s, count in pairs if math.isfinite(count))
        return ()

    def requests_of(self, arm: str) -> int:
        """Return how many requests an arm got: of ours, or of real users if those are judged."""
        if self.plan.live_traffic:
            return round(sum(count for _, count in self.answers_to_users(arm)))
        return int((self.samples.arm == ARMS.index(arm)).sum())
