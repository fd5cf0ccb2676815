"""Faults, one file each. A built-in is a line in ``BUILT_IN``; other packages add theirs with an entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from harness.errors import UsageError
from harness.faults.abort import Abort, abort
from harness.faults.bandwidth_limit import BandwidthLimit, bandwidth_limit
from harness.faults.black_hole import BlackHole, black_hole
from harness.faults.body_reset import BodyReset, body_reset
from harness.faults.combinations import latency_ladder, ramp, sequence
from harness.faults.connection_limit import ConnectionLimit, connection_limit
from harness.faults.control import on_canary
from harness.faults.cpu_limit import CpuLimit, cpu_limit
from harness.faults.delay import Delay, delay
from harness.faults.delete_pods import DeletePods, delete_pods
from harness.faults.deny import Deny, deny
from harness.faults.evict import Evict, evict
from harness.faults.grpc_abort import GrpcAbort, grpc_abort
from harness.faults.header_loss import HeaderLoss, header_loss
from harness.faults.kill import Kill, kill
from harness.faults.latency import Latency, latency
from harness.faults.memory_limit import MemoryLimit, memory_limit
from harness.faults.outlier_ejection import OutlierEjection, outlier_ejection
from harness.faults.partition import Partition, partition
from harness.faults.pause import Pause, pause
from harness.faults.port import Arguments, Fault
from harness.faults.rate_limit import RateLimited, rate_limit
from harness.faults.request_limit import RequestLimit, request_limit
from harness.faults.restart import Restart, restart
from harness.faults.retries_off import RetriesOff, retries_off
from harness.faults.retry_storm import RetryStorm, retry_storm
from harness.faults.scale import Scale, scale
from harness.faults.timeout import Timeout, timeout
from harness.model.declared import ARRANGEMENTS

__all__ = [
    "BUILT_IN",
    "ENTRY_POINTS",
    "Abort",
    "Arguments",
    "BandwidthLimit",
    "BlackHole",
    "BodyReset",
    "ConnectionLimit",
    "CpuLimit",
    "Delay",
    "DeletePods",
    "Deny",
    "Evict",
    "Fault",
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
    "known_faults",
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

BUILT_IN: tuple[type[Fault], ...] = (
    Delay,
    Latency,
    Abort,
    GrpcAbort,
    Timeout,
    RetriesOff,
    RetryStorm,
    BlackHole,
    HeaderLoss,
    BandwidthLimit,
    BodyReset,
    ConnectionLimit,
    RequestLimit,
    OutlierEjection,
    Kill,
    Pause,
    Restart,
    Deny,
    RateLimited,
    Partition,
    Evict,
    DeletePods,
    Scale,
    CpuLimit,
    MemoryLimit,
)
ENTRY_POINTS = "canary_harness.faults"
"""The group of entry points in which other packages name the classes of their faults."""


def known_faults() -> Mapping[str, type[Fault]]:
    """Return every fault by its kind: the built-in ones, and those of installed packages.

    Raises UsageError for an entry point whose fault has a name that is taken, or that cannot be loaded.
    """
    known = {fault.kind: fault for fault in BUILT_IN}
    for found in entry_points(group=ENTRY_POINTS):
        try:
            fault: type[Fault] = found.load()
            kind = fault.kind
        except (ImportError, AttributeError) as error:
            raise UsageError(f"entry point {found.name} = {found.value}: expected a fault, found: {error}") from error
        if kind in known or kind in ARRANGEMENTS:
            raise UsageError(f"entry point {found.name} = {found.value}: the name {kind!r} of its fault is taken")
        known[kind] = fault
    return known
