"""Chaos and canary analysis for services on Kubernetes and Istio, as pytest tests.

Importing this package loads none of scipy, kubernetes, locust or gevent.
"""

from harness.faults import (
    Abort,
    BlackHole,
    ConnectionLimit,
    Delay,
    GrpcAbort,
    Latency,
    OutlierEjection,
    RequestLimit,
    RetriesOff,
    RetryStorm,
    Timeout,
    abort,
    black_hole,
    connection_limit,
    delay,
    grpc_abort,
    latency,
    outlier_ejection,
    request_limit,
    retries_off,
    retry_storm,
    timeout,
)
from harness.model.verdict import Analysis, Verdict

__all__ = [
    "Abort",
    "Analysis",
    "BlackHole",
    "ConnectionLimit",
    "Delay",
    "GrpcAbort",
    "Latency",
    "OutlierEjection",
    "RequestLimit",
    "RetriesOff",
    "RetryStorm",
    "Timeout",
    "Verdict",
    "abort",
    "black_hole",
    "connection_limit",
    "delay",
    "grpc_abort",
    "latency",
    "outlier_ejection",
    "request_limit",
    "retries_off",
    "retry_storm",
    "timeout",
]
__version__ = "0.1.0"
