"""Our own schema of the Istio resources that the harness writes, in the form of a CRD's OpenAPI schema.

It covers ``spec`` of VirtualService, DestinationRule and EnvoyFilter: the names, types and required fields that an API
server checks. ``make test-shared-data`` compares it with the CRDs that Istio publishes.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
DURATION: Schema = {
    "type": "string",
    "x-kubernetes-validations": [
        {"rule": "duration(self) >= duration('1ms')", "message": "must be a valid duration greater than 1ms"}
    ],
}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def one_of(*values: str) -> Schema:
    """A string that must be one of these values."""
    return {"type": "string", "enum": list(values)}


def listed(item: Schema) -> Schema:
    """A list of such items."""
    return {"type": "array", "items": item}


def mapped(value: Schema) -> Schema:
    """A mapping from any name to such values."""
    return {"type": "object", "additionalProperties": value}


def record(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def exclusive(schema: Schema, *groups: tuple[str, ...]) -> Schema:
    """The same object; of each group of fields at most one may be set."""
    rules = [
        {"oneOf": [{"not": {"anyOf": alternatives}}, *alternatives]}
        for alternatives in ([{"required": [name]} for name in group] for group in groups)
    ]
    return {**schema, **(rules[0] if len(rules) == 1 else {"allOf": rules})}


TEXTS, LABELS = listed(TEXT), mapped(TEXT)
PERCENT = record(value=NUMBER)
DESTINATION = record(("host",), host=TEXT, port=record(number=WHOLE), subset=TEXT)
MATCH = exclusive(record(exact=TEXT, prefix=TEXT, regex=TEXT), ("exact", "prefix", "regex"))
_CHANGED_HEADERS = record(add=LABELS, remove=TEXTS, set=LABELS)
HEADERS = record(request=_CHANGED_HEADERS, response=_CHANGED_HEADERS)

FAULT = record(
    abort=exclusive(
        record(grpcStatus=TEXT, http2Error=TEXT, httpStatus=WHOLE, percentage=PERCENT),
        ("httpStatus", "grpcStatus", "http2Error"),
    ),
    delay=exclusive(
        record(exponentialDelay=DURATION, fixedDelay=DURATION, percent=WHOLE, percentage=PERCENT),
        ("fixedDelay", "exponentialDelay"),
    ),
)
HTTP_MATCH = record(
    authority=MATCH,
    gateways=TEXTS,
    headers=mapped(MATCH),
    ignoreUriCase=FLAG,
    method=MATCH,
    name=TEXT,
    port=WHOLE,
    queryParams=mapped(MATCH),
    scheme=MATCH,
    sourceLabels=LABELS,
    sourceNamespace=TEXT,
    statPrefix=TEXT,
    uri=MATCH,
    withoutHeaders=mapped(MATCH),
)
HTTP_ROUTE = record(
    corsPolicy=record(
        allowCredentials=FLAG,
        allowHeaders=TEXTS,
        allowMethods=TEXTS,
        allowOrigin=TEXTS,
        allowOrigins=listed(MATCH),
        exposeHeaders=TEXTS,
        maxAge=DURATION,
        unmatchedPreflights=one_of("UNSPECIFIED", "FORWARD", "IGNORE"),
    ),
    delegate=record(name=TEXT, namespace=TEXT),
    directResponse=record(
        ("status",), body=exclusive(record(bytes=TEXT, string=TEXT), ("string", "bytes")), status=WHOLE
    ),
    fault=FAULT,
    headers=HEADERS,
    match=listed(HTTP_MATCH),
    mirror=DESTINATION,
    mirrorPercent=WHOLE,
    mirror_percent=WHOLE,
    mirrorPercentage=PERCENT,
    mirrors=listed(record(("destination",), destination=DESTINATION, percentage=PERCENT)),
    name=TEXT,
    redirect=exclusive(
        record(
            authority=TEXT,
            derivePort=one_of("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
            port=WHOLE,
            prefixRewrite=TEXT,
            redirectCode=WHOLE,
            scheme=TEXT,
            uri=TEXT,
        ),
        ("port", "derivePort"),
    ),
    retries=record(
        attempts=WHOLE,
        backoff=DURATION,
        perTryTimeout=DURATION,
        retryIgnorePreviousHosts=FLAG,
        retryOn=TEXT,
        retryRemoteLocalities=FLAG,
    ),
    rewrite=record(authority=TEXT, uri=TEXT, uriRegexRewrite=record(match=TEXT, rewrite=TEXT)),
    route=listed(record(("destination",), destination=DESTINATION, headers=HEADERS, weight=WHOLE)),
    timeout=DURATION,
)
_L4_MATCH = {
    "destinationSubnets": TEXTS,
    "gateways": TEXTS,
    "port": WHOLE,
    "sourceLabels": LABELS,
    "sourceNamespace": TEXT,
}
_L4_ROUTE = listed(record(("destination",), destination=DESTINATION, weight=WHOLE))
VIRTUAL_SERVICE = record(
    exportTo=TEXTS,
    gateways=TEXTS,
    hosts=TEXTS,
    http=listed(HTTP_ROUTE),
    tcp=listed(record(match=listed(record(**_L4_MATCH, sourceSubnet=TEXT)), route=_L4_ROUTE)),
    tls=listed(record(("match",), match=listed(record(("sniHosts",), **_L4_MATCH, sniHosts=TEXTS)), route=_L4_ROUTE)),
)

CONNECTION_POOL = record(
    http=record(
        h2UpgradePolicy=one_of("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
        http1MaxPendingRequests=WHOLE,
        http2KeepAlive=record(interval=DURATION, timeout=DURATION),
        http2MaxRequests=WHOLE,
        idleTimeout=DURATION,
        maxConcurrentStreams=WHOLE,
        maxRequestsPerConnection=WHOLE,
        maxRetries=WHOLE,
        useClientProtocol=FLAG,
    ),
    tcp=record(
        connectTimeout=DURATION,
        idleTimeout=TEXT,
        maxConnectionDuration=DURATION,
        maxConnections=WHOLE,
        tcpKeepalive=record(interval=DURATION, probes=WHOLE, time=DURATION),
    ),
)
_FAILOVER = {"enabled": FLAG, "failover": listed(record(**{"from": TEXT, "to": TEXT})), "failoverPriority": TEXTS}
LOAD_BALANCER = exclusive(
    record(
        backendUtilization=record(
            errorUtilizationPenaltyPercent=WHOLE,
            metricNamesForComputingUtilization=TEXTS,
            weightExpirationPeriod=TEXT,
            weightStabilizationPeriod=TEXT,
            weightUpdatePeriod=TEXT,
        ),
        consistentHash=exclusive(
            record(
                httpCookie=record(
                    ("name",),
                    attributes=listed(record(("name",), name=TEXT, value=TEXT)),
                    name=TEXT,
                    path=TEXT,
                    ttl=TEXT,
                ),
                httpHeaderName=TEXT,
                httpQueryParameterName=TEXT,
                maglev=record(tableSize=WHOLE),
                minimumRingSize=WHOLE,
                ringHash=record(minimumRingSize=WHOLE),
                useSourceIp=FLAG,
            ),
            ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"),
            ("ringHash", "maglev"),
        ),
        localityLbSetting=record(**_FAILOVER, distribute=listed(record(**{"from": TEXT, "to": mapped(WHOLE)}))),
        simple=one_of("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"),
        warmup=record(("duration",), aggression=NUMBER, duration=DURATION, minimumPercent=NUMBER),
        warmupDurationSecs=DURATION,
        zoneAwareLbSetting=record(**_FAILOVER, minClusterSize=WHOLE),
    ),
    ("simple", "consistentHash", "backendUtilization"),
)
OUTLIER_DETECTION = record(
    baseEjectionTime=DURATION,
    consecutive5xxErrors=WHOLE,
    consecutiveErrors=WHOLE,
    consecutiveGatewayErrors=WHOLE,
    consecutiveLocalOriginFailures=WHOLE,
    interval=DURATION,
    maxEjectionPercent=WHOLE,
    minHealthPercent=WHOLE,
    outlierDetectionHttpErrorCodes=listed(WHOLE),
    splitExternalLocalOriginErrors=FLAG,
)
TLS = record(
    caCertificates=TEXT,
    caCrl=TEXT,
    clientCertificate=TEXT,
    credentialName=TEXT,
    insecureSkipVerify=FLAG,
    mode=one_of("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
    privateKey=TEXT,
    sni=TEXT,
    subjectAltNames=TEXTS,
)
_POLICY = {
    "connectionPool": CONNECTION_POOL,
    "loadBalancer": LOAD_BALANCER,
    "outlierDetection": OUTLIER_DETECTION,
    "tls": TLS,
}
TRAFFIC_POLICY = record(
    **_POLICY,
    portLevelSettings=listed(record(**_POLICY, port=record(number=WHOLE))),
    proxyProtocol=record(version=one_of("V1", "V2")),
    retryBudget=record(budgetInterval=TEXT, minRetryConcurrency=WHOLE, percent=NUMBER),
    tunnel=record(("targetHost", "targetPort"), protocol=TEXT, targetHost=TEXT, targetPort=WHOLE),
)
DESTINATION_RULE = record(
    ("host",),
    exportTo=TEXTS,
    host=TEXT,
    subsets=listed(record(("name",), labels=LABELS, name=TEXT, trafficPolicy=TRAFFIC_POLICY)),
    trafficPolicy=TRAFFIC_POLICY,
    workloadSelector=record(matchLabels=LABELS),
)

_FILTER = record(name=TEXT, subFilter=record(name=TEXT))
PATCH_MATCH = exclusive(
    record(
        cluster=record(name=TEXT, portNumber=WHOLE, service=TEXT, subset=TEXT),
        context=one_of("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT"),
        listener=record(
            filterChain=record(
                applicationProtocols=TEXT,
                destinationPort=WHOLE,
                filter=_FILTER,
                name=TEXT,
                sni=TEXT,
                transportProtocol=TEXT,
                transportSocket=TEXT,
            ),
            listenerFilter=TEXT,
            name=TEXT,
            portName=TEXT,
            portNumber=WHOLE,
        ),
        proxy=record(metadata=LABELS, proxyVersion=TEXT),
        routeConfiguration=record(
            gateway=TEXT,
            name=TEXT,
            portName=TEXT,
            portNumber=WHOLE,
            vhost=record(
                domainName=TEXT,
                name=TEXT,
                route=record(action=one_of("ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"), name=TEXT),
            ),
        ),
        waypoint=record(filter=_FILTER, portNumber=WHOLE, route=record(name=TEXT)),
    ),
    ("listener", "routeConfiguration", "cluster", "waypoint"),
)
_LAYERS = (
    *("INVALID", "LISTENER", "FILTER_CHAIN", "NETWORK_FILTER", "HTTP_FILTER", "ROUTE_CONFIGURATION", "VIRTUAL_HOST"),
    *("HTTP_ROUTE", "CLUSTER", "EXTENSION_CONFIG", "BOOTSTRAP", "LISTENER_FILTER"),
)
_OPERATIONS = (
    *("INVALID", "MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"),
    "MERGE_AND_REPLACE_LIST",
)
ENVOY_FILTER = record(
    configPatches=listed(
        record(
            applyTo=one_of(*_LAYERS),
            match=PATCH_MATCH,
            patch=record(
                filterClass=one_of("UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"),
                operation=one_of(*_OPERATIONS),
                value=ANYTHING,
            ),
        )
    ),
    priority=WHOLE,
    targetRefs=listed(record(("kind", "name"), group=TEXT, kind=TEXT, name=TEXT, namespace=TEXT)),
    workloadSelector=record(labels=LABELS),
)

SPECS: dict[str, Schema] = {
    "VirtualService": VIRTUAL_SERVICE,
    "DestinationRule": DESTINATION_RULE,
    "EnvoyFilter": ENVOY_FILTER,
}
