"""Exact evidence for counts of rare events, where a normal approximation would be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.model.samples import BASELINE, CANARY
from harness.model.verdict import Estimate
from harness.stats.binomial import binomial_tails, share_interval

_EXACT = 1e6  # degrees of freedom with which Student's t is the normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactEvidence:
    """Counts of independent events in both arms; more of them are worse. Implements ``TailEvidence``.

    events, requests: of baseline and canary. If the canary's rate is r times the baseline's, its part of all events is
    binomial with probability r n_c / (r n_c + n_b) (Przyborowski & Wilenski 1940), so differences are shares of the
    baseline: an indicator with this evidence has ``relative=True`` and ``sizes=False`` in its spec.
    """

    events: tuple[int, int]
    requests: tuple[int, int]
    degrees: float = _EXACT
    method: str = "counts of events, exact binomial tails given all events"

    @property
    def baseline(self) -> Estimate:
        """See ``TailEvidence``."""
        return Estimate(value=self.events[BASELINE] / self.requests[BASELINE], n=self.requests[BASELINE])

    @property
    def canary(self) -> Estimate:
        """See ``TailEvidence``."""
        return Estimate(value=self.events[CANARY] / self.requests[CANARY], n=self.requests[CANARY])

    def estimate(self, *, relative: bool) -> float | None:  # noqa: ARG002 - always relative
        """See ``TailEvidence``."""
        return self.canary.value / self.baseline.value - 1 if self.events[BASELINE] else None

    def harm_tail(self, margin: float | None, *, relative: bool) -> float:  # noqa: ARG002 - always relative
        """See ``TailEvidence``."""
        return self._tails(margin or 0.0)[0]

    def within_tail(self, margin: float, *, relative: bool) -> float:  # noqa: ARG002 - always relative
        """See ``TailEvidence``."""
        return self._tails(margin)[1]

    def interval(self, tail: float, *, relative: bool) -> tuple[float, float]:  # noqa: ARG002 - always relative
        """See ``TailEvidence``. Source: Clopper & Pearson 1934."""
        if tail <= 0:
            return -1.0, math.inf
        ends = share_interval(self.events[CANARY], sum(self.events), confidence=1 - 2 * tail)
        low, high = (
            math.inf if share >= 1 else share / (1 - share) * self.requests[BASELINE] / self.requests[CANARY] - 1
            for share in ends
        )
        return low, high

    def limit_tails(self, limit: float) -> tuple[float, float]:
        """See ``TailEvidence``."""
        return binomial_tails(self.events[CANARY], self.requests[CANARY], limit)

    def _tails(self, margin: float) -> tuple[float, float]:
        weighed = (1 + margin) * self.requests[CANARY]
        return binomial_tails(self.events[CANARY], sum(self.events), weighed / (weighed + self.requests[BASELINE]))
