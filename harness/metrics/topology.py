"""Read from the configured Prometheus what the service under test has called lately, whether in a run or not."""

from __future__ import annotations

import time

from harness.metrics.connection import connected
from harness.metrics.server_side import arm_words, from_prometheus
from harness.model.config import Config
from harness.model.hops import Hop
from harness.model.phase import Phase, PhaseKind


def recent_hops(config: Config, *, since_s: float, until_s: float | None = None) -> tuple[Hop, ...]:
    """Return what each arm answered and called in the last ``since_s`` seconds, as Istio's metrics counted it.

    until_s: the end of that time in epoch seconds; None for now. Raises MetricsError if the server does not answer.
    """
    end_s = time.time() if until_s is None else until_s
    lately = Phase(name="lately", kind=PhaseKind.STEADY, start_s=0.0, end_s=since_s)
    with connected(config) as server:
        found = from_prometheus(
            server, (), arms=arm_words(config), zero_s=end_s - since_s, phases=(lately,), with_hops=True
        )
    return found.hops
