"""Read ``istio_requests_total`` from Envoy's metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from harness.clients.prometheus_text import parse_samples
from harness.mesh.local.telemetry import REQUESTS
from harness.model.counts import RequestCount

_LABELS = tuple(field.name for field in fields(RequestCount) if field.name != "total")


def request_counts(text: str) -> tuple[RequestCount, ...]:
    """Return the totals by the labels of ``RequestCount``, sorted; sum over all other labels."""
    totals: Counter[tuple[str, ...]] = Counter()
    for sample in parse_samples(text):
        if sample.name == REQUESTS:
            totals[tuple(sample.labels.get(name, "") for name in _LABELS)] += int(sample.value)
    return tuple(
        RequestCount(**dict(zip(_LABELS, key, strict=True)), total=total) for key, total in sorted(totals.items())
    )
