"""Keep requests that a fault may have answered out of the phase before it.

Phases go by due times. A request that was due just before a fault, and was still on its way when the injection began,
may have been delayed or aborted by the fault. So the phase before a fault ends where the first such request was due;
the requests after that belong to no phase. All of them are left out, whatever their latency, so that the slow ones are
not selected.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from harness.model.phase import Phase, PhaseKind
from harness.model.samples import Samples

MOST = 0.2
"""The largest part of a phase that is cut off: a request that hangs for a minute must not cost a whole phase."""


def before_faults(windows: tuple[Phase, ...], samples: Samples) -> tuple[Phase, ...]:
    """Return the windows, each one before a fault phase cut to end before the first request that the fault could reach.

    windows: in order of time, in seconds since the first due request, as ``samples``.
    """
    followed = [after.kind is PhaseKind.FAULT for _, after in pairwise(windows)] + [False] * bool(windows)
    return tuple(
        _cut(window, samples) if fault_next and window.kind is not PhaseKind.FAULT else window
        for window, fault_next in zip(windows, followed, strict=True)
    )


def _cut(window: Phase, samples: Samples) -> Phase:
    inside = (samples.due_s >= window.start_s) & (samples.due_s < window.end_s)
    on_its_way = samples.due_s[inside & (samples.due_s + samples.latency_s > window.end_s)]
    if not len(on_its_way):
        return window
    earliest_s = window.end_s - MOST * (window.end_s - window.start_s)
    return replace(window, end_s=max(float(on_its_way.min()), earliest_s))
