"""What could have kept a fault from failing requests, as far as the record shows it. Only a replay can test that."""

from __future__ import annotations

from contextlib import suppress

from harness.errors import ResourceError
from harness.model.record import Record
from harness.model.verdict import Analysis, Verdict
from harness.routing.istio.timeouts import longest_wait_s


def without_timeout(record: Record, analysis: Analysis) -> tuple[str, ...]:
    """Return the hosts without a timeout whose faults hit calls in a phase in which an objective failed."""
    failed = {finding.phase for finding in analysis.findings if finding.verdict is Verdict.FAIL}
    hit = (count for count in record.fault_counts if count.phase in failed and count.hit)
    namespace = str(record.config.get("namespace") or "default")
    found = []
    for host in dict.fromkeys(count.host for count in hit):
        with suppress(ResourceError):  # which resource routes its calls is not certain
            if longest_wait_s(record.resources.get("before", ()), host=host, namespace=namespace) is None:
                found.append(host)
    return tuple(found)
