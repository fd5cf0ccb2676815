"""Estimate how long calls would have taken that their callers gave up: all that is known is that they waited longer.

Each call that was given up counts like the calls that took longer (B. Efron, "The two sample problem with censored
data", 1967: the share of a censored value is redistributed to the right, which gives the estimate of Kaplan and Meier).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.hops import Bin

_BEYOND = 2.0
"""By how much an answer is later than a caller waited, if no answer ever came later: it shall give up here too."""
_NOTHING = 1e-6
"""Less than any call: what rounding may leave."""


def if_all_had_waited(
    latency_ms: Mapping[Bin, int], given_up_ms: Mapping[Bin, int]
) -> tuple[tuple[float, float, float], ...]:
    """Return the bins of all calls as if nobody had given up.

    latency_ms: bins of all calls. given_up_ms: of those among them that were given up.
    """
    found: list[tuple[float, float, float]] = []
    running = sum(latency_ms.values())
    left = float(running)
    for (low, width), count in sorted(latency_ms.items()):
        answered = count - min(given_up_ms.get((low, width), 0), count)
        ended = left * answered / running if running else 0.0
        if ended:
            found.append((low, width, ended))
        left -= ended
        running -= count
    if given_up_ms and left > _NOTHING:
        found.append((_BEYOND * max(low + width for low, width in given_up_ms), 0.0, left))
    return tuple(found)
