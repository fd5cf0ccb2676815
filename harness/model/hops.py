"""The hops between workloads: the proxies' counts of each, by arm and phase, with histograms of the latencies.

In a bundle, ``hops.ndjson`` has one hop on each line, with the fields of ``Hop`` by name. ``latency_ms`` is a list of
``[low, width, count]``: that many calls took at least ``low`` and less than ``low + width`` milliseconds.
``given_up_ms`` is the part of ``latency_ms`` that got no answer: so long the callers waited, and the answer would have
come later. ``size_bytes`` is the same of the bodies of the answers, and ``statuses`` a list of ``[status, count]``.
``instances`` has the latencies of the same calls by the instance that answered, as it timed them. A hop of the service
under test itself (``destination`` is that service) is what the arm answered; the other ones are what it called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Bin = tuple[float, float]
"""The lower bound and the width of a bin in milliseconds."""


_GRPC_ERRORS = frozenset({"2", "4", "8", "12", "13", "14", "15"})
_SERVER_ERROR = 500
GIVEN_UP = "0"
"""The status by which proxies count a call whose caller did not wait for an answer."""


def call_failed(status: str, grpc_status: str) -> bool:
    """Return whether a call counts as an error: it got no answer, a 5xx, or a gRPC status that blames the server."""
    return not status.isdecimal() or not 0 < int(status) < _SERVER_ERROR or grpc_status in _GRPC_ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class HopTotal:
    """What the proxies of a mesh have counted of one hop since they started.

    app: the app label of the caller. destination: the full name of the called service. version, instance: which of its
    versions, and which of their addresses answered; empty if unknown. errors: calls that failed, without those that an
    injected fault failed. injected: calls that a fault hit. attempts: how often the proxy sent the calls, with its own
    retries; None if it does not count that.
    """

    caller: str
    caller_version: str
    app: str
    destination: str
    version: str
    instance: str = ""
    calls: int = 0
    errors: int = 0
    injected: int = 0
    attempts: int | None = None
    latency_ms: Mapping[Bin, int] = field(default_factory=dict)
    given_up_ms: Mapping[Bin, int] = field(default_factory=dict)
    size_bytes: Mapping[Bin, int] = field(default_factory=dict)
    statuses: Mapping[int, int] = field(default_factory=dict)
    instances: Mapping[str, Mapping[Bin, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop in one phase; see the module.

    arm: of the caller, or of the answering version if the destination is the service under test; empty for others.
    """

    phase: str
    arm: str
    caller: str
    destination: str
    version: str
    instance: str = ""
    calls: int = 0
    errors: int = 0
    injected: int = 0
    attempts: int | None = None
    latency_ms: tuple[tuple[float, float, int], ...] = ()
    given_up_ms: tuple[tuple[float, float, int], ...] = ()
    size_bytes: tuple[tuple[float, float, int], ...] = ()
    statuses: tuple[tuple[int, int], ...] = ()
    instances: tuple[tuple[str, tuple[tuple[float, float, int], ...]], ...] = ()
