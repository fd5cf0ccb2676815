"""Spans of traced requests: one unit of work each, with its parent, its time and how it ended.

In a bundle, ``spans.ndjson`` has one span on each line, with the fields of ``Span`` by name; it exists only if the mesh
exports spans. The load generator sends a sampled ``traceparent`` with a share of the requests: only those have spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.json import JsonScalar

_END_NS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One unit of work of a traced request.

    trace_id, span_id, parent_id: as hexadecimal text; the parent may be missing in the bundle (the load generator
    records no span of its own), and is empty if the span has none. service: the app label of the workload that did the
    work. arm: baseline or canary if that workload is the service under test, else empty. name: what was done, such as
    ``GET /reviews/0``. start_ns: nanoseconds since the Unix epoch. duration_ns: nanoseconds. status: the HTTP status
    of the answer; 0 if there was none or it is not known. flags: Envoy's response flags, such as ``DI`` for an
    injected delay; empty if there are none. attributes: what else is known, by OpenTelemetry's names.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    service: str
    arm: str = ""
    name: str
    start_ns: int
    duration_ns: int
    status: int = 0
    flags: str = ""
    attributes: Mapping[str, JsonScalar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("start_ns", self.start_ns), ("duration_ns", self.duration_ns)):
            if not 0 <= value < _END_NS:
                raise ValueError(f"{name}: expected nanoseconds from 0 to 2**63 - 1, found another number")

    @property
    def failed(self) -> bool:
        """Whether the work failed: status 5xx, or the attribute ``error`` is true."""
        return self.status >= 500 or str(self.attributes.get("error", "")).lower() == "true"

    @property
    def end_ns(self) -> int:
        """Nanoseconds since the Unix epoch at which the work ended."""
        return self.start_ns + self.duration_ns
