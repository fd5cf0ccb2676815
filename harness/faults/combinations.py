"""Combine faults into stages: a ramp of doses, a ladder of delays around a timeout, a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from harness.errors import UsageError
from harness.faults.delay import Delay, delay
from harness.faults.port import Fault
from harness.model.units import parse_duration

Stages: TypeAlias = tuple[tuple[Fault, ...], ...]
"""What ``canary.run(stages=...)`` takes: the faults of each fault phase, in order."""
T = TypeVar("T")


def sequence(*faults: Fault | Sequence[Fault]) -> Stages:
    """Return stages with one fault each, one after the other; a list of faults is injected together.

    Raises UsageError without any fault.
    """
    stages = tuple(tuple(one) if isinstance(one, Sequence) else (one,) for one in faults)
    if not stages or not all(stages):
        raise UsageError("sequence: expected faults, or lists of faults, found none")
    return stages


def ramp(make: Callable[[T], Fault], doses: Sequence[T]) -> Stages:
    """Return a stage for each dose, in this order.

    For example ``ramp(lambda percent: abort("ratings", 503, percent=percent), [5, 20, 50])``. Raises UsageError
    without any dose.
    """
    return sequence(*(make(dose) for dose in doses))


def latency_ladder(
    host: str,
    timeout: str | float,
    *,
    shares: Sequence[float] = (0.5, 0.9, 1.1),
    percent: str | float = 100,
    caller: str | None = None,
) -> Stages:
    """Return delays of ``host`` around the timeout that its caller has: half of it, just below, just above.

    timeout: of the caller ("400ms" or seconds). shares: of the timeout. The delays are rounded to milliseconds, which
    is Istio's resolution. Raises UsageError for a timeout of less than 2 ms.
    """
    seconds = parse_duration(timeout, f"latency_ladder({host}): timeout")
    if seconds < 2e-3:
        raise UsageError(f"latency_ladder({host}): expected a timeout of at least 2ms, found {timeout!r}")

    def step(share: float) -> Delay:
        return delay(host, max(1, round(seconds * share * 1e3)) / 1e3, percent=percent, caller=caller)

    return ramp(step, shares)
