"""Summarise a load for people: by operation after the run, and over the last second in a progress line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import ARMS, Samples
from harness.model.units import format_duration, format_percent

QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The numbers of one operation, one arm or all requests. latencies_s: at QUANTILES; empty without requests."""

    name: str
    requests: int
    failed: int
    rate_rps: float
    latencies_s: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The summary of all requests due from ``from_s`` on. errors: error texts or statuses, with their number."""

    from_s: float
    total: Row
    operations: tuple[Row, ...]
    arms: tuple[Row, ...]
    errors: tuple[tuple[str, int], ...]


def summarise(samples: Samples, *, from_s: float, duration_s: float) -> Summary:
    """Summarise the requests due in [from_s, duration_s). Rates are per second of that window."""
    samples = samples.where((samples.due_s >= from_s) & (samples.due_s < duration_s))
    length_s = duration_s - from_s
    operations = [
        _row(name, samples, samples.operation == number, length_s) for number, name in enumerate(samples.operations)
    ]
    arms = [_row(name, samples, samples.arm == number, length_s) for number, name in enumerate(ARMS)]
    return Summary(
        from_s=from_s,
        total=_row("all", samples, np.ones(len(samples), np.bool_), length_s),
        operations=tuple(row for row in operations if row.requests),
        arms=tuple(row for row in arms if row.requests),
        errors=tuple(_errors(samples).most_common(10)),
    )


def progress_line(samples: Samples, *, elapsed_s: float, duration_s: float, window_s: float = 1.0) -> str:
    """Return a line about the last ``window_s`` seconds and the remaining time."""
    recent = samples.where(samples.due_s + samples.latency_s > elapsed_s - window_s)
    left_s = max(0.0, duration_s - elapsed_s)
    text = f"{elapsed_s:5.1f} s, {left_s:.0f} s left   {len(recent) / window_s:.0f}/s"
    if not len(recent):
        return f"{text}   no answers in the last {window_s:g} s"
    p50, p99 = np.quantile(recent.latency_s, [0.5, 0.99])
    late = float(np.quantile(recent.late_s, 0.99))
    return (
        f"{text}   errors {format_percent(float(recent.failed.mean()))}   p50 {format_duration(float(p50))}   "
        f"p99 {format_duration(float(p99))}   late p99 {format_duration(late)}"
    )


def _row(name: str, samples: Samples, mask: NDArray[np.bool_], length_s: float) -> Row:
    chosen = samples.where(mask)
    values = np.quantile(chosen.latency_s, QUANTILES) if len(chosen) else ()
    return Row(
        name=name,
        requests=len(chosen),
        failed=int(chosen.failed.sum()),
        rate_rps=len(chosen) / length_s if length_s > 0 else 0.0,
        latencies_s=tuple(map(float, values)),
    )


def _errors(samples: Samples) -> Counter[str]:
    failed = samples.where(samples.failed)
    return Counter(
        failed.errors[error] if error else f"status {status}"
        for error, status in zip(failed.error.tolist(), failed.status.tolist(), strict=True)
    )
