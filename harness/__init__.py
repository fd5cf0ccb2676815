"""Chaos and canary analysis for services on Kubernetes and Istio, as pytest tests.

Importing this package loads next to nothing, because every service of the demo and every command imports it: the names
below load their modules when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.faults import (
        Abort,
        BandwidthLimit,
        BlackHole,
        BodyReset,
        ConnectionLimit,
        CpuLimit,
        Delay,
        DeletePods,
        Deny,
        Evict,
        GrpcAbort,
        HeaderLoss,
        Kill,
        Latency,
        MemoryLimit,
        OutlierEjection,
        Partition,
        Pause,
        RateLimited,
        RequestLimit,
        Restart,
        RetriesOff,
        RetryStorm,
        Scale,
        Timeout,
        abort,
        bandwidth_limit,
        black_hole,
        body_reset,
        connection_limit,
        cpu_limit,
        delay,
        delete_pods,
        deny,
        evict,
        grpc_abort,
        header_loss,
        kill,
        latency,
        latency_ladder,
        memory_limit,
        on_canary,
        outlier_ejection,
        partition,
        pause,
        ramp,
        rate_limit,
        request_limit,
        restart,
        retries_off,
        retry_storm,
        scale,
        sequence,
        timeout,
    )
    from harness.model.verdict import Analysis, Verdict

__all__ = [
    "Abort",
    "Analysis",
    "BandwidthLimit",
    "BlackHole",
    "BodyReset",
    "ConnectionLimit",
    "CpuLimit",
    "Delay",
    "DeletePods",
    "Deny",
    "Evict",
    "GrpcAbort",
    "HeaderLoss",
    "Kill",
    "Latency",
    "MemoryLimit",
    "OutlierEjection",
    "Partition",
    "Pause",
    "RateLimited",
    "RequestLimit",
    "Restart",
    "RetriesOff",
    "RetryStorm",
    "Scale",
    "Timeout",
    "Verdict",
    "abort",
    "bandwidth_limit",
    "black_hole",
    "body_reset",
    "connection_limit",
    "cpu_limit",
    "delay",
    "delete_pods",
    "deny",
    "evict",
    "grpc_abort",
    "header_loss",
    "kill",
    "latency",
    "latency_ladder",
    "memory_limit",
    "on_canary",
    "outlier_ejection",
    "partition",
    "pause",
    "ramp",
    "rate_limit",
    "request_limit",
    "restart",
    "retries_off",
    "retry_storm",
    "scale",
    "sequence",
    "timeout",
]
__version__ = "0.1.0"

if not TYPE_CHECKING:  # else mypy would accept every name

    def __getattr__(name: str) -> object:
        """Load the module of a name of ``__all__``."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = "harness.model.verdict" if name in {"Analysis", "Verdict"} else "harness.faults"
        found = globals()[name] = getattr(import_module(module), name)
        return found
