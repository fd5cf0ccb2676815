"""The fields of VirtualService, DestinationRule and Gateway, as Istio's API has them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.routing.istio.fields import GRPC_STATUS
from harness.routing.istio.shapes import Fields, Leaf, Listed, Shape, Table, choice, flag, number, span, text, whole

_UINT32 = 2**32 - 1
_COUNT = whole(0, 2**31 - 1)
_BIG_COUNT = whole(0, _UINT32)
_PORT = whole(1, 65535, "a port from 1 to 65535")
_PERCENT = number(lambda value: value == 0 or 0.0001 <= value <= 100, "a percentage: 0, or from 0.0001 to 100")
_SHARE = number(lambda value: 0 <= value <= 100, "a percentage from 0 to 100")
_STATUS = whole(200, 599, "an HTTP status from 200 to 599")
_PERCENTAGE = Fields({"value": _PERCENT}, required=("value",))
_SHARED = Fields({"value": _SHARE}, required=("value",))
_TEXTS = Listed(text())
_LABELS = Table(text())

STRING_MATCH = Fields({"exact": text(), "prefix": text(), "regex": text()})
_HEADER_CHANGES = Fields({"set": _LABELS, "add": _LABELS, "remove": _TEXTS})
_HEADERS = Fields({"request": _HEADER_CHANGES, "response": _HEADER_CHANGES})
_DESTINATION = Fields(
    {"host": text("the name of a host"), "subset": text(), "port": Fields({"number": _PORT}, required=("number",))},
    required=("host",),
)

_MATCH = Fields(
    {
        "name": text(),
        "uri": STRING_MATCH,
        "scheme": STRING_MATCH,
        "method": STRING_MATCH,
        "authority": STRING_MATCH,
        "headers": Table(STRING_MATCH),
        "withoutHeaders": Table(STRING_MATCH),
        "queryParams": Table(STRING_MATCH),
        "ignoreUriCase": flag(),
        "port": _PORT,
        "sourceLabels": _LABELS,
        "sourceNamespace": text(),
        "gateways": _TEXTS,
        "statPrefix": text(),
    }
)

_FAULT = Fields(
    {
        "delay": Fields(
            {
                "fixedDelay": span(),
                "percentage": _PERCENTAGE,
                "percent": whole(0, 100),
                "exponentialDelay": span(),
            }
        ),
        "abort": Fields(
            {
                "httpStatus": _STATUS,
                "grpcStatus": choice(*GRPC_STATUS),
                "http2Error": text(),
                "percentage": _PERCENTAGE,
            }
        ),
    }
)

_RETRIES = Fields(
    {
        "attempts": _COUNT,
        "perTryTimeout": span(),
        "retryOn": text(),
        "backoff": span(),
        "retryRemoteLocalities": flag(),
        "retryIgnorePreviousHosts": flag(),
    }
)

_CORS = Fields(
    {
        "allowOrigin": _TEXTS,
        "allowOrigins": Listed(STRING_MATCH),
        "allowMethods": _TEXTS,
        "allowHeaders": _TEXTS,
        "exposeHeaders": _TEXTS,
        "maxAge": span(),
        "allowCredentials": flag(),
        "unmatchedPreflights": choice("UNSPECIFIED", "FORWARD", "IGNORE"),
    }
)

HTTP_ROUTE = Fields(
    {
        "name": text(),
        "match": Listed(_MATCH),
        "route": Listed(
            Fields({"destination": _DESTINATION, "weight": _COUNT, "headers": _HEADERS}, required=("destination",))
        ),
        "redirect": Fields(
            {
                "uri": text(),
                "prefixRewrite": text(),
                "authority": text(),
                "scheme": choice("http", "https"),
                "port": _PORT,
                "derivePort": choice("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
                "redirectCode": whole(0, _UINT32),
            }
        ),
        "directResponse": Fields(
            {"status": _STATUS, "body": Fields({"string": text(), "bytes": text()})}, required=("status",)
        ),
        "rewrite": Fields(
            {
                "uri": text(),
                "authority": text(),
                "uriRegexRewrite": Fields({"match": text(), "rewrite": text()}),
            }
        ),
        "timeout": span(),
        "retries": _RETRIES,
        "fault": _FAULT,
        "mirror": _DESTINATION,
        "mirrors": Listed(Fields({"destination": _DESTINATION, "percentage": _SHARED}, required=("destination",))),
        "mirrorPercentage": _SHARED,
        "mirrorPercent": whole(0, 100),
        "mirror_percent": whole(0, 100),
        "corsPolicy": _CORS,
        "headers": _HEADERS,
        "delegate": Fields({"name": text(), "namespace": text()}),
    }
)

_L4_ROUTE = Listed(Fields({"destination": _DESTINATION, "weight": _COUNT}, required=("destination",)))
_L4_MATCH: dict[str, Shape] = {
    "destinationSubnets": _TEXTS,
    "port": _PORT,
    "sourceLabels": _LABELS,
    "sourceNamespace": text(),
    "gateways": _TEXTS,
}

VIRTUAL_SERVICE = Fields(
    {
        "hosts": _TEXTS,
        "gateways": _TEXTS,
        "http": Listed(HTTP_ROUTE),
        "tls": Listed(
            Fields(
                {
                    "match": Listed(Fields({**_L4_MATCH, "sniHosts": _TEXTS}, required=("sniHosts",))),
                    "route": _L4_ROUTE,
                },
                required=("match",),
            )
        ),
        "tcp": Listed(Fields({"match": Listed(Fields({**_L4_MATCH, "sourceSubnet": text()})), "route": _L4_ROUTE})),
        "exportTo": _TEXTS,
    }
)

_POOL = Fields(
    {
        "tcp": Fields(
            {
                "maxConnections": _COUNT,
                "connectTimeout": span(),
                "maxConnectionDuration": span(),
                "idleTimeout": span(zero=True),
                "tcpKeepalive": Fields({"probes": _BIG_COUNT, "time": span(), "interval": span()}),
            }
        ),
        "http": Fields(
            {
                "http1MaxPendingRequests": _COUNT,
                "http2MaxRequests": _COUNT,
                "maxRequestsPerConnection": _COUNT,
                "maxRetries": _COUNT,
                "idleTimeout": span(),
                "h2UpgradePolicy": choice("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
                "useClientProtocol": flag(),
                "maxConcurrentStreams": _COUNT,
                "http2KeepAlive": Fields({"interval": span(), "timeout": span()}, required=("interval", "timeout")),
            }
        ),
    }
)

_ANY_NUMBER = number(lambda _value: True, "a number")
_LOCALITY: dict[str, Shape] = {
    "enabled": flag(),
    "failover": Listed(Fields({"from": text(), "to": text()})),
    "failoverPriority": _TEXTS,
}
_BALANCER = Fields(
    {
        "simple": choice("UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "RANDOM", "ROUND_ROBIN", "PASSTHROUGH"),
        "consistentHash": Fields(
            {
                "httpHeaderName": text(),
                "httpQueryParameterName": text(),
                "useSourceIp": flag(),
                "minimumRingSize": _COUNT,
                "ringHash": Fields({"minimumRingSize": _COUNT}),
                "maglev": Fields({"tableSize": _COUNT}),
                "httpCookie": Fields(
                    {
                        "name": text(),
                        "path": text(),
                        "ttl": text(),
                        "attributes": Listed(Fields({"name": text(), "value": text()}, required=("name",))),
                    },
                    required=("name",),
                ),
            }
        ),
        "localityLbSetting": Fields(
            {**_LOCALITY, "distribute": Listed(Fields({"from": text(), "to": Table(_BIG_COUNT)}))}
        ),
        "zoneAwareLbSetting": Fields({**_LOCALITY, "minClusterSize": whole(1, _UINT32)}),
        "warmup": Fields(
            {"duration": span(), "minimumPercent": _SHARE, "aggression": _ANY_NUMBER}, required=("duration",)
        ),
        "warmupDurationSecs": span(),
        "backendUtilization": Fields(
            {
                "errorUtilizationPenaltyPercent": _BIG_COUNT,
                "metricNamesForComputingUtilization": _TEXTS,
                "weightExpirationPeriod": text(),
                "weightStabilizationPeriod": text(),
                "weightUpdatePeriod": text(),
            }
        ),
    }
)

_OUTLIER = Fields(
    {
        "consecutive5xxErrors": _BIG_COUNT,
        "consecutiveGatewayErrors": _BIG_COUNT,
        "consecutiveLocalOriginFailures": _BIG_COUNT,
        "consecutiveErrors": _COUNT,
        "splitExternalLocalOriginErrors": flag(),
        "interval": span(),
        "baseEjectionTime": span(),
        "maxEjectionPercent": whole(0, 100),
        "minHealthPercent": whole(0, 100),
        "outlierDetectionHttpErrorCodes": Listed(whole(100, 599)),
    }
)

_TLS = Fields(
    {
        "mode": choice("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
        "clientCertificate": text(),
        "privateKey": text(),
        "caCertificates": text(),
        "caCrl": text(),
        "credentialName": text(),
        "subjectAltNames": _TEXTS,
        "sni": text(),
        "insecureSkipVerify": flag(),
    }
)

_POLICY_PARTS: dict[str, Shape] = {
    "connectionPool": _POOL,
    "loadBalancer": _BALANCER,
    "outlierDetection": _OUTLIER,
    "tls": _TLS,
}
_POLICY = Fields(
    {
        **_POLICY_PARTS,
        "portLevelSettings": Listed(
            Fields({**_POLICY_PARTS, "port": Fields({"number": _PORT}, required=("number",))}, required=("port",))
        ),
        "tunnel": Fields(
            {"protocol": text(), "targetHost": text(), "targetPort": _PORT}, required=("targetHost", "targetPort")
        ),
        "proxyProtocol": Fields({"version": choice("V1", "V2")}),
        "retryBudget": Fields({"percent": _SHARE, "budgetInterval": text(), "minRetryConcurrency": _BIG_COUNT}),
    }
)

DESTINATION_RULE = Fields(
    {
        "host": text("the name of a host"),
        "trafficPolicy": _POLICY,
        "subsets": Listed(
            Fields({"name": text("a name"), "labels": _LABELS, "trafficPolicy": _POLICY}, required=("name",))
        ),
        "exportTo": _TEXTS,
        "workloadSelector": Fields({"matchLabels": _LABELS}),
    },
    required=("host",),
)

_SERVER_TLS = Fields(
    {
        "mode": choice("PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"),
        "httpsRedirect": flag(),
        "credentialName": text(),
        "credentialNames": _TEXTS,
        "caCertCredentialName": text(),
        "serverCertificate": text(),
        "privateKey": text(),
        "caCertificates": text(),
        "caCrl": text(),
        "tlsCertificates": Listed(
            Fields({"serverCertificate": text(), "privateKey": text(), "caCertificates": text()})
        ),
        "subjectAltNames": _TEXTS,
        "verifyCertificateSpki": _TEXTS,
        "verifyCertificateHash": _TEXTS,
        "minProtocolVersion": text(),
        "maxProtocolVersion": text(),
        "cipherSuites": _TEXTS,
    }
)
_SERVER_PORT = Fields(
    {"number": _PORT, "protocol": text("a protocol"), "name": text(), "targetPort": _PORT},
    required=("number", "protocol"),
)
GATEWAY = Fields(
    {
        "servers": Listed(
            Fields(
                {
                    "port": _SERVER_PORT,
                    "hosts": _TEXTS,
                    "name": text(),
                    "bind": text(),
                    "defaultEndpoint": text(),
                    "tls": _SERVER_TLS,
                },
                required=("port", "hosts"),
            )
        ),
        "selector": _LABELS,
    },
    required=("servers",),
)

SERVICE_ENTRY = Fields(
    {
        "hosts": _TEXTS,
        "addresses": _TEXTS,
        "ports": Listed(
            Fields(
                {"number": _PORT, "protocol": text(), "name": text(), "targetPort": _PORT}, required=("number", "name")
            )
        ),
        "location": choice("MESH_EXTERNAL", "MESH_INTERNAL"),
        "resolution": choice("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
        "endpoints": Listed(
            Fields(
                {
                    "address": text(),
                    "ports": Table(_PORT),
                    "labels": _LABELS,
                    "network": text(),
                    "locality": text(),
                    "weight": _BIG_COUNT,
                    "serviceAccount": text(),
                }
            )
        ),
        "workloadSelector": Fields({"labels": _LABELS}),
        "exportTo": _TEXTS,
        "subjectAltNames": _TEXTS,
    },
    required=("hosts",),
)

_ANY = Leaf("anything", lambda _value: True)
_TOP: dict[str, Shape] = {
    "apiVersion": choice("networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"),
    "kind": text(),
    "metadata": Table(_ANY),
    "status": _ANY,
}
RESOURCES: Mapping[str, Fields] = {
    "VirtualService": Fields({**_TOP, "spec": VIRTUAL_SERVICE}, required=("spec",)),
    "DestinationRule": Fields({**_TOP, "spec": DESTINATION_RULE}, required=("spec",)),
    "Gateway": Fields({**_TOP, "spec": GATEWAY}, required=("spec",)),
    "ServiceEntry": Fields({**_TOP, "spec": SERVICE_ENTRY}, required=("spec",)),
}
"""Whole resources by kind. Metadata is Kubernetes' affair."""
