"""Faults, one file each. A built-in is a line in ``BUILT_IN``; other packages add theirs with an entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from harness.errors import UsageError
from harness.faults.abort import Abort as Abort, abort as abort
from harness.faults.bandwidth_limit import BandwidthLimit as BandwidthLimit, bandwidth_limit as bandwidth_limit
from harness.faults.black_hole import BlackHole as BlackHole, black_hole as black_hole
from harness.faults.body_reset import BodyReset as BodyReset, body_reset as body_reset
from harness.faults.combinations import latency_ladder as latency_ladder, ramp as ramp, sequence as sequence
from harness.faults.connection_limit import ConnectionLimit as ConnectionLimit, connection_limit as connection_limit
from harness.faults.control import on_canary as on_canary
from harness.faults.cpu_limit import CpuLimit as CpuLimit, cpu_limit as cpu_limit
from harness.faults.delay import Delay as Delay, delay as delay
from harness.faults.delete_pods import DeletePods as DeletePods, delete_pods as delete_pods
from harness.faults.deny import Deny as Deny, deny as deny
from harness.faults.evict import Evict as Evict, evict as evict
from harness.faults.grpc_abort import GrpcAbort as GrpcAbort, grpc_abort as grpc_abort
from harness.faults.header_loss import HeaderLoss as HeaderLoss, header_loss as header_loss
from harness.faults.kill import Kill as Kill, kill as kill
from harness.faults.latency import Latency as Latency, latency as latency
from harness.faults.memory_limit import MemoryLimit as MemoryLimit, memory_limit as memory_limit
from harness.faults.outlier_ejection import OutlierEjection as OutlierEjection, outlier_ejection as outlier_ejection
from harness.faults.partition import Partition as Partition, partition as partition
from harness.faults.pause import Pause as Pause, pause as pause
from harness.faults.port import Arguments as Arguments, Fault as Fault
from harness.faults.rate_limit import RateLimited as RateLimited, rate_limit as rate_limit
from harness.faults.request_limit import RequestLimit as RequestLimit, request_limit as request_limit
from harness.faults.restart import Restart as Restart, restart as restart
from harness.faults.retries_off import RetriesOff as RetriesOff, retries_off as retries_off
from harness.faults.retry_storm import RetryStorm as RetryStorm, retry_storm as retry_storm
from harness.faults.scale import Scale as Scale, scale as scale
from harness.faults.timeout import Timeout as Timeout, timeout as timeout
from harness.model.declared import ARRANGEMENTS

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
