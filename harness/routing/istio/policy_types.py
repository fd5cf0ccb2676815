"""Istio's traffic policies as typed dictionaries: how callers connect to a host.

The types describe what has passed ``check_resources``.
"""

from __future__ import annotations

from typing import Literal, Required, TypeAlias, TypedDict

from harness.model.json import JsonObject

Seconds: TypeAlias = str
"""A duration with its unit, such as ``250ms``."""


class PortSelector(TypedDict):
    """A port of a service by its number."""

    number: int


class TcpKeepalive(TypedDict, total=False):
    """TCP keep-alive probes: how many, after what idle time, and how often."""

    probes: int
    time: Seconds
    interval: Seconds


class TCPSettings(TypedDict, total=False):
    """Connection settings that hold for HTTP and TCP."""

    maxConnections: int
    connectTimeout: Seconds
    maxConnectionDuration: Seconds
    idleTimeout: Seconds
    tcpKeepalive: TcpKeepalive


class Http2KeepAlive(TypedDict):
    """HTTP/2 keep-alive pings: how often, and how long to wait for the answer."""

    interval: Seconds
    timeout: Seconds


class HTTPSettings(TypedDict, total=False):
    """Connection settings of HTTP."""

    http1MaxPendingRequests: int
    http2MaxRequests: int
    maxRequestsPerConnection: int
    maxRetries: int
    idleTimeout: Seconds
    h2UpgradePolicy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]
    useClientProtocol: bool
    maxConcurrentStreams: int
    http2KeepAlive: Http2KeepAlive


class ConnectionPool(TypedDict, total=False):
    """The connection pool that a caller's proxy keeps for a destination."""

    tcp: TCPSettings
    http: HTTPSettings


class OutlierDetection(TypedDict, total=False):
    """When an endpoint that answers with errors is taken out of load balancing, and for how long."""

    consecutive5xxErrors: int
    consecutiveGatewayErrors: int
    consecutiveLocalOriginFailures: int
    consecutiveErrors: int
    splitExternalLocalOriginErrors: bool
    interval: Seconds
    baseEjectionTime: Seconds
    maxEjectionPercent: int
    minHealthPercent: int
    outlierDetectionHttpErrorCodes: list[int]


class CookieAttribute(TypedDict, total=False):
    """An attribute of a cookie that the proxy makes."""

    name: Required[str]
    value: str


class HTTPCookie(TypedDict, total=False):
    """A cookie whose value is hashed; with a lifetime, the proxy makes one for requests without it."""

    name: Required[str]
    path: str
    ttl: str
    attributes: list[CookieAttribute]


class RingHash(TypedDict, total=False):
    """A ring of hashes."""

    minimumRingSize: int


class Maglev(TypedDict, total=False):
    """Maglev's table."""

    tableSize: int


class ConsistentHash(TypedDict, total=False):
    """What of a request chooses its endpoint, and by which method."""

    httpHeaderName: str
    httpQueryParameterName: str
    httpCookie: HTTPCookie
    useSourceIp: bool
    minimumRingSize: int
    ringHash: RingHash
    maglev: Maglev


class LoadBalancer(TypedDict, total=False):
    """How requests are balanced over endpoints. Of localities and warm-up only whether they are set is read."""

    simple: Literal["UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "RANDOM", "ROUND_ROBIN", "PASSTHROUGH"]
    consistentHash: ConsistentHash
    localityLbSetting: JsonObject
    zoneAwareLbSetting: JsonObject
    warmup: JsonObject
    warmupDurationSecs: Seconds
    backendUtilization: JsonObject


class ClientTLS(TypedDict, total=False):
    """TLS settings of connections to a destination."""

    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]
    clientCertificate: str
    privateKey: str
    caCertificates: str
    subjectAltNames: list[str]
    sni: str
    insecureSkipVerify: bool
    credentialName: str


class RetryBudget(TypedDict, total=False):
    """How many retries may be under way: a percentage of the requests, and a number that is always allowed."""

    percent: float
    budgetInterval: str
    minRetryConcurrency: int


class PolicyParts(TypedDict, total=False):
    """The parts of a traffic policy that can be set for one port."""

    connectionPool: ConnectionPool
    loadBalancer: LoadBalancer
    outlierDetection: OutlierDetection
    tls: ClientTLS
    retryBudget: RetryBudget


class PortTrafficPolicy(PolicyParts, total=False):
    """The policy of one port. It replaces the whole policy of the destination."""

    port: Required[PortSelector]


class TrafficPolicy(PolicyParts, total=False):
    """A traffic policy of a destination or a subset."""

    portLevelSettings: list[PortTrafficPolicy]
    tunnel: JsonObject
    proxyProtocol: JsonObject
