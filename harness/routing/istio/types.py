"""Types of Istio's VirtualService and DestinationRule (``networking.istio.io``) as parsed from YAML or JSON.

The types describe resources that have passed ``check_resources``: they list the same fields as
``harness.routing.istio.schema``. A field is optional unless Istio requires it. Istio reads a field whose value
is null or zero as a field that is not set, so code should treat an empty value like an absent one.
"""

from __future__ import annotations

from typing import Literal, Required, TypeAlias, TypedDict

from harness.model.json import JsonObject
from harness.routing.istio.policy_types import PortSelector, Seconds, TrafficPolicy


class Metadata(TypedDict, total=False):
    """The part of Kubernetes' object metadata that the harness reads."""

    name: Required[str]
    namespace: str
    labels: dict[str, str]
    annotations: dict[str, str]
    creationTimestamp: str


class StringMatch(TypedDict, total=False):
    """A condition on a string; one of the three fields is set."""

    exact: str
    prefix: str
    regex: str


class Percent(TypedDict, total=False):
    """A percentage from 0 to 100."""

    value: float


class Destination(TypedDict, total=False):
    """A service, one of its subsets and one of its ports, to which requests are routed."""

    host: Required[str]
    subset: str
    port: PortSelector


class HeaderOperations(TypedDict, total=False):
    """Headers to overwrite, to append and to remove."""

    set: dict[str, str]
    add: dict[str, str]
    remove: list[str]


class Headers(TypedDict, total=False):
    """Header operations on requests and on responses."""

    request: HeaderOperations
    response: HeaderOperations


class HTTPMatchRequest(TypedDict, total=False):
    """The conditions that a request must meet, all of them."""

    name: str
    uri: StringMatch
    scheme: StringMatch
    method: StringMatch
    authority: StringMatch
    headers: dict[str, StringMatch | None]
    withoutHeaders: dict[str, StringMatch | None]
    queryParams: dict[str, StringMatch | None]
    ignoreUriCase: bool
    port: int
    sourceLabels: dict[str, str]
    sourceNamespace: str
    gateways: list[str]
    statPrefix: str


class HTTPRouteDestination(TypedDict, total=False):
    """One destination of a route, with its share of the requests and its header operations."""

    destination: Required[Destination]
    weight: int
    headers: Headers


class HTTPRedirect(TypedDict, total=False):
    """A redirect that the proxy answers with."""

    uri: str
    prefixRewrite: str
    authority: str
    scheme: Literal["http", "https"]
    port: int
    derivePort: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]
    redirectCode: int


class HTTPBody(TypedDict, total=False):
    """The body of a direct response: text, or bytes in base64."""

    string: str
    bytes: str


class HTTPDirectResponse(TypedDict, total=False):
    """A fixed response that the proxy answers with."""

    status: Required[int]
    body: HTTPBody


class RegexRewrite(TypedDict):
    """A regular expression and the text that replaces what it matches."""

    match: str
    rewrite: str


class HTTPRewrite(TypedDict, total=False):
    """Changes of the path or the authority of a request before it is forwarded."""

    uri: str
    authority: str
    uriRegexRewrite: RegexRewrite


class HTTPRetry(TypedDict, total=False):
    """The retry policy of a route."""

    attempts: int
    perTryTimeout: Seconds
    retryOn: str
    backoff: Seconds
    retryRemoteLocalities: bool
    retryIgnorePreviousHosts: bool


class Delay(TypedDict, total=False):
    """A delay that the proxy adds before it forwards a request."""

    fixedDelay: Seconds
    percentage: Percent
    percent: int
    exponentialDelay: Seconds


class Abort(TypedDict, total=False):
    """An error that the proxy answers with instead of forwarding a request."""

    httpStatus: int
    grpcStatus: str
    http2Error: str
    percentage: Percent


class HTTPFaultInjection(TypedDict, total=False):
    """The faults that a route injects."""

    delay: Delay
    abort: Abort


class HTTPMirrorPolicy(TypedDict, total=False):
    """A destination that gets copies of requests, and the share of requests that are copied."""

    destination: Required[Destination]
    percentage: Percent


class CorsPolicy(TypedDict, total=False):
    """The cross-origin policy of a route."""

    allowOrigin: list[str]
    allowOrigins: list[StringMatch]
    allowMethods: list[str]
    allowHeaders: list[str]
    exposeHeaders: list[str]
    maxAge: Seconds
    allowCredentials: bool
    unmatchedPreflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"]


class Delegate(TypedDict, total=False):
    """The VirtualService that a route delegates to."""

    name: str
    namespace: str


class HTTPRoute(TypedDict, total=False):
    """One rule of a VirtualService: what it matches and what happens to those requests."""

    name: str
    match: list[HTTPMatchRequest]
    route: list[HTTPRouteDestination]
    redirect: HTTPRedirect
    directResponse: HTTPDirectResponse
    rewrite: HTTPRewrite
    timeout: Seconds
    retries: HTTPRetry
    fault: HTTPFaultInjection
    mirror: Destination
    mirrors: list[HTTPMirrorPolicy]
    mirrorPercentage: Percent
    mirrorPercent: int
    mirror_percent: int
    corsPolicy: CorsPolicy
    headers: Headers
    delegate: Delegate


class VirtualServiceSpec(TypedDict, total=False):
    """The routes of some hosts. The harness reads HTTP routes; of ``tls`` and ``tcp`` only whether they are set."""

    hosts: list[str]
    gateways: list[str]
    http: list[HTTPRoute]
    tls: list[JsonObject]
    tcp: list[JsonObject]
    exportTo: list[str]


class VirtualService(TypedDict, total=False):
    """A whole VirtualService."""

    apiVersion: Required[str]
    kind: Required[str]
    metadata: Required[Metadata]
    spec: Required[VirtualServiceSpec]


class Subset(TypedDict, total=False):
    """A named subset of a service's endpoints: those with all of the labels."""

    name: Required[str]
    labels: dict[str, str]
    trafficPolicy: TrafficPolicy


class WorkloadSelector(TypedDict, total=False):
    """The labels of the workloads that a resource applies to."""

    matchLabels: dict[str, str]


class DestinationRuleSpec(TypedDict, total=False):
    """The traffic policy of a host, and its subsets."""

    host: Required[str]
    trafficPolicy: TrafficPolicy
    subsets: list[Subset]
    exportTo: list[str]
    workloadSelector: WorkloadSelector


class DestinationRule(TypedDict, total=False):
    """A whole DestinationRule."""

    apiVersion: Required[str]
    kind: Required[str]
    metadata: Required[Metadata]
    spec: Required[DestinationRuleSpec]


Resource: TypeAlias = VirtualService | DestinationRule
