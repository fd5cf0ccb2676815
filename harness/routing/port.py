"""The port of routing APIs: find what governs a host, split its requests, change them, and see the change.

Istio routes requests with VirtualServices; other APIs use HTTPRoutes, for example. Only the package of a routing API
knows its kinds and fields. An undo needs no API, because an edit contains all that the undo takes
(``harness.routing.edits``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from harness.errors import ResourceError
from harness.model.declared import Declared, StringMatch
from harness.model.json import JsonObject, JsonValue, list_at
from harness.model.object_kind import ObjectKind
from harness.model.split import SplitBy
from harness.model.step import Edit

MESH = "mesh"
"""The gateway of calls between sidecars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Governing:
    """The resources that decide about requests for a host. None: there is no such resource.

    route: decides where requests go. policy: decides how proxies connect.
    """

    route: JsonObject | None
    policy: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How the requests for a host are distributed to two arms.

    host: a service of ``namespace``. baseline, canary: the pod labels of the arms. canary_share: in (0, 1), or of
    copies in (0, 1]. by: how requests are distributed. owner: the run's mark. arm_header: the response header that
    tells which arm answered. test_headers: split only requests with these headers. arm_in_baggage: add ``harness.arm``
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
class Share:
    """Which build the users of a host get while a release lasts.

    stable, canary: the pod labels of the running and of the new build. share: of the users for the new build, in
    [0, 1]. owner: the release's mark. gateway: that users come through. headers: names and exact values; users with
    these headers get the new build whatever the share is.
    """

    host: str
    namespace: str
    stable: Mapping[str, str]
    canary: Mapping[str, str]
    share: float
    owner: str
    gateway: str = MESH
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a proxy sends a request again that failed.

    attempts: the number of retries; 0 switches them off. per_try_s: an attempt that takes longer has failed; None sets
    no limit. on: what counts as failed, in Envoy's words.
    """

    attempts: int
    per_try_s: float | None = None
    on: str = "5xx,reset,connect-failure,refused-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayShare:
    """One part of a distribution of delays. share: of all requests that wait for ``delay_s`` seconds, in (0, 1]."""

    delay_s: float
    share: float


RouteRewrite: TypeAlias = Callable[[JsonObject], JsonObject]
"""Returns a route with a change in the fields of one routing API.

It gets a copy of a route, for the requests that the fault may hit, and may let the copy match fewer of them, but no
others; the name of the copy must stay. Raises ResourceError with the reason if this route cannot have the change.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChange:
    """What happens to requests on their way to a host. None leaves that part as it is.

    delay_s: they wait for this time. delays: different requests wait for different times. abort_status: they are
    answered with this status and not forwarded. abort_grpc: the same with the name of a gRPC status. share: of the
    requests that wait or are answered, in (0, 1]. timeout_s: an answer that takes longer is cut off. retries: replace
    those of the route. subset: they go to this subset of the host. rewrites: by the name of a routing API, a change
    that only one fault makes, so it has no field here; other routing APIs cannot express it.
    """

    delay_s: float | None = None
    delays: tuple[DelayShare, ...] = ()
    abort_status: int | None = None
    abort_grpc: str | None = None
    share: float = 1.0
    timeout_s: float | None = None
    retries: Retries | None = None
    subset: str | None = None
    rewrites: Mapping[str, RouteRewrite] = field(default_factory=dict)

    def lacks(self, api: str) -> bool:
        """Return whether the fault brings a change of its own, but none for this API."""
        return bool(self.rewrites) and api not in self.rewrites

    def rewritten(self, api: str, route: JsonObject, *, matches: str, where: str, path: str) -> JsonObject:
        """Return a route with the change that the fault brings for an API; the route itself if it brings none.

        matches: the field that says which requests take the route. where, path: of the route, for errors. Raises
        ResourceError if the fault refuses the route, or would hit other requests than it declares.
        """
        if api not in self.rewrites:
            return route
        try:
            found = self.rewrites[api](deepcopy(route))
        except ResourceError as error:
            raise ResourceError(f"{where}: {error}", path=path) from error
        if not isinstance(found, dict) or found.get("name") != route.get("name"):
            raise ResourceError(
                f"{where}: the fault's rewrite lost the name of the route, which its undo needs", path=path
            )
        if not _narrower(list_at(found, matches), list_at(route, matches)):
            raise ResourceError(f"{where}: the fault's rewrite takes requests that the fault may not hit", path=path)
        return found


def _narrower(blocks: Sequence[JsonValue], before: Sequence[JsonValue]) -> bool:
    """Return whether each of some matches, of which one is enough, still asks for all that one of those before did."""
    return not before or (bool(blocks) and all(any(_asks(one, each) for each in before) for one in blocks))


def _asks(found: JsonValue, before: JsonValue) -> bool:
    if isinstance(before, dict):
        return isinstance(found, dict) and all(
            name in found and _asks(found[name], one) for name, one in before.items()
        )
    if isinstance(before, list):
        return isinstance(found, list) and all(any(_asks(each, one) for each in found) for one in before)
    return found == before


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A change of connections to a host: pools, outlier detection, balancing. It applies to every caller.

    policy: the values to set, in the terms of Istio's ``trafficPolicy``; other values stay. pods: only connections to
    pods of the host with exactly these labels; None means all of them.
    """

    policy: JsonObject
    pods: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetChange:
    """A new subset of a host: its pods with these labels. It changes nothing until a route leads to it."""

    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The host's own proxies refuse every request with a 403."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Each of the host's own proxies lets ``per_second`` requests arrive, and answers others with a 429."""

    per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """Each caller's proxy passes ``kib_per_s`` KiB a second on to the host and back.

    ports: of the host. reset_after_s: calls that have lasted so long are cut off, whether their answer has begun or
    not; None lets them last.
    """

    kib_per_s: int
    ports: tuple[int, ...]
    reset_after_s: float | None = None


Change: TypeAlias = RouteChange | PolicyChange | SubsetChange | Refusal | RateLimit | Bandwidth


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """Where one injection goes.

    declared: what it does, with the callers and headers that the run has chosen. namespace: of the host. owner: the
    run's mark. index: identifies the injection within the run. workload_labels: of the host's pods, for a change in
    their own proxies.
    """

    declared: Declared
    namespace: str
    owner: str
    index: int
    workload_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExpressible:
    """The answer of a routing API that has no field for a change. why: the reason, and what to do instead."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSelector:
    """Pods with these labels, of one namespace, or of any namespace if it is None."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None

    def selects(self, labels: Mapping[str, str], namespace: str) -> bool:
        """Return whether a pod of ``namespace`` with these labels is selected."""
        return self.labels.items() <= labels.items() and self.namespace in (None, namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Something that Envoy's configuration shows while an edit is in force, and only then.

    part: of the configuration. name: of a route, of a filter, or ``subset|host`` of a cluster. pods: whose proxies show
    it; empty means every pod. fields: what the named thing contains, as Envoy writes it; empty if its name alone is
    proof.
    """

    part: Literal["routes", "clusters", "listeners"]
    name: str
    pods: tuple[PodSelector, ...] = ()
    fields: JsonObject = field(default_factory=dict)

    def concerns(self, labels: Mapping[str, str], namespace: str) -> bool:
        """Return whether the proxy of a pod of ``namespace`` with these labels shows it."""
        return not self.pods or any(pods.selects(labels, namespace) for pods in self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """How an edit shows.

    traces: in the proxies; none where no proxy knows the resource. in_sidecars: whether sidecars are concerned, not
    only a gateway. destinations: full names of the hosts that its routes lead to. makes: full names of the hosts that
    it creates, which no proxy can know before. marks: names of the response headers that its routes set, in small
    letters.
    """

    traces: tuple[Trace, ...] = ()
    in_sidecars: bool = True
    destinations: frozenset[str] = frozenset()
    makes: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    @property
    def has_routes(self) -> bool:
        """Whether it contains routes, which must be gone before the subsets that they lead to."""
        return any(trace.part == "routes" for trace in self.traces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where requests for a host are sent: a subset of it, or another Service.

    name: the full name of the Service. subset: of it; empty for none. host: the full name that callers use. version:
    the ``version`` label of the pods; empty if it is not known.
    """

    name: str
    host: str
    subset: str = ""
    version: str = ""


class RoutingApi(Protocol):
    """One API that routes requests. A run reads the resources of its kinds and must leave them as they were."""

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

    def governing(
        self, resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
    ) -> Governing:
        """Return what decides about requests for ``host``. Raises ResourceError if that is not certain."""
        ...

    def split(self, resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
        """Return the edits that distribute requests; make them in this order and undo them in reverse.

        Raises ResourceError for resources that cannot be split, with the reason.
        """
        ...

    def change(self, resources: Sequence[JsonObject], change: Change, aim: Aim) -> Edit | NotExpressible:
        """Return the edit that makes ``change``.

        Raises ResourceError if it would hit nothing, hit others, or be ignored.
        """
        ...

    def footprint(self, edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
        """Return how the edit shows while it is in force. resource: as it is now, with or without the edit."""
        ...

    def destinations(self, resources: Sequence[JsonObject], *, namespace: str) -> tuple[Destination, ...]:
        """Return where requests are sent other than to the pods of the Service that callers name."""
        ...


class Sharing(Protocol):
    """What a routing API offers to releases: routes that stay from one step of the release to the next."""

    def share(self, resources: Sequence[JsonObject], share: Share) -> tuple[Edit, ...]:
        """Return the edits that route users by ``share``, on resources without what the release inserted before.

        Raises ResourceError for resources with which that cannot be done, with the reason.
        """
        ...

    def without(self, resource: JsonObject, owner: str) -> JsonObject | None:
        """Return the resource without what a release inserted; None if nothing else is left of it."""
        ...
