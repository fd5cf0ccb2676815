"""What every routing API offers: find what governs a host, split its requests, put a fault into them, and see it.

Requests are routed by Istio's VirtualServices here, and by HTTPRoutes or others elsewhere. Nobody outside a routing
API's own package knows its kinds or fields. An undo needs no API: an edit holds all that it takes
(``harness.routing.edits``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from harness.model.declared import Declared, StringMatch
from harness.model.json import Json, JsonObject
from harness.model.object_kind import ObjectKind
from harness.model.split import SplitBy
from harness.model.step import Edit

MESH = "mesh"
"""The gateway of calls between sidecars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Governing:
    """The resources that decide about requests for a host: which route they take, and by which policy. None: none does."""

    route: Json | None
    policy: Json | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How the requests for a host are shared out to two arms.

    host: of a service of ``namespace``. baseline, canary: the pod labels of the arms. canary_share: in (0, 1), or of
    copies in (0, 1]. by: how requests are shared out. owner: the run's mark. arm_header: the response header that
    tells which arm answered. test_headers: split only requests that carry these. arm_in_baggage: add ``harness.arm``
    to the W3C baggage of requests, all of which must carry some. gateway: that requests come through.
    """

    host: str
    namespace: str
    baseline: Mapping[str, str]
    canary: Mapping[str, str]
    canary_share: float
    owner: str
    by: SplitBy = SplitBy.WEIGHT
    arm_header: str = "x-harness-arm"
    test_headers: Mapping[str, StringMatch] | None = None
    arm_in_baggage: bool = False
    gateway: str = MESH


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """What happens to requests on their way to a host. None: that stays as it is.

    delay_s: they wait so long. abort_status: they are answered with this status and not sent on. share: of the
    requests that wait or are answered, in (0, 1]. timeout_s: an answer that takes longer is cut off.
    """

    delay_s: float | None = None
    abort_status: int | None = None
    share: float = 1.0
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """Other connections to a host: pools, outlier detection, balancing; they hold for every caller.

    policy: the values to set, in the words of Istio's ``trafficPolicy``; the rest stays. pods: only connections to
    the host's pods with exactly these labels; None means all of them.
    """

    policy: JsonObject
    pods: Mapping[str, str] | None = None


Change: TypeAlias = RouteChange | PolicyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where one injection goes. declared: what it does, with the callers and headers that the run has chosen.

    namespace: of the host. owner: the run's mark. index: tells the run's injections apart. workload_labels: of the
    host's pods, for a change in their own proxies.
    """

    declared: Declared
    namespace: str
    owner: str
    index: int
    workload_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExpressible:
    """A routing API has no field for a change. why: in words, with what to do instead."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSelector:
    """Pods with these labels; of one namespace, or of any where it is None."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None

    def selects(self, labels: Mapping[str, str], namespace: str) -> bool:
        """Whether a pod of ``namespace`` with these labels is one of them."""
        return self.labels.items() <= labels.items() and self.namespace in (None, namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Something that Envoy's configuration shows while an edit is in force, and not otherwise.

    part: of the configuration. name: of a route, of a filter, or ``subset|host`` of a cluster. pods: whose proxies
    show it; empty means every pod's. fields: what the thing of that name contains, as Envoy writes it; empty
    where its name alone is proof.
    """

    part: Literal["routes", "clusters", "listeners"]
    name: str
    pods: tuple[PodSelector, ...] = ()
    fields: JsonObject = field(default_factory=dict)

    def concerns(self, labels: Mapping[str, str], namespace: str) -> bool:
        """Whether the proxy of a pod of ``namespace`` with these labels shows it."""
        return not self.pods or any(pods.selects(labels, namespace) for pods in self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """How an edit shows.

    traces: in the proxies; none where no proxy knows the resource. in_sidecars: whether sidecars are concerned, not
    only a gateway. destinations: full names of the hosts that its routes lead to. marks: names of the response headers
    that its routes set, in small letters.
    """

    traces: tuple[Trace, ...] = ()
    in_sidecars: bool = True
    destinations: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    @property
    def has_routes(self) -> bool:
        """Whether it is about routes, which must be gone before the subsets that they lead to."""
        return any(trace.part == "routes" for trace in self.traces)


class RoutingApi(Protocol):
    """One API that routes requests. A run reads the resources of its kinds, and must leave them as they were."""

    @property
    def name(self) -> str:
        """What the API is called in settings."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the resources that route requests."""
        ...

    @property
    def objects(self) -> tuple[ObjectKind, ...]:
        """Every kind of object that its edits may make, and where the Kubernetes API keeps it."""
        ...

    def governing(self, resources: Sequence[Json], *, host: str, namespace: str, gateway: str = MESH) -> Governing:
        """What decides about requests for ``host``. Raises ResourceError where that is not certain."""
        ...

    def split(self, resources: Sequence[Json], split: Split) -> tuple[Edit, ...]:
        """The edits that share out requests: make in order, undo in reverse.

        Raises ResourceError for resources that cannot be split, naming what is in the way.
        """
        ...

    def change(self, resources: Sequence[Json], change: Change, aim: Aim) -> Edit | NotExpressible:
        """The edit that makes ``change``. Raises ResourceError where it would hit nothing, others, or be ignored."""
        ...

    def footprint(self, edit: Edit, resource: Json | None, *, namespace: str) -> Footprint:
        """How the edit shows while it is in force. resource: as it is now, with or without the edit."""
        ...
