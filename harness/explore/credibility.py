"""Decide whether a probe can be believed, from how long its requests waited for a CPU. Pure functions.

On a busy machine the processes that work on a request wait for a CPU as well as for the fault. An arm that gives up
after a time then gives up under a milder fault than it would on a quiet machine, while the load is sent on time and
every proof holds.

How much milder it can be follows from Markov's inequality: if requests wait for 6 ms on average, at most half of them
wait for more than 12 ms. So if half of them failed, the fault cannot have seemed harsher by more than 12 ms. Where that
is a small part of what is searched, the probe is believed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from harness.explore.measuring import Outcome
from harness.model.units import format_duration
from harness.model.verdict import Finding, Verdict

LEAST_S = 0.5e-3
"""A shorter wait is always small: requests wait as long on a machine that has nothing else to do."""
FEWEST = 0.1
"""The share of the requests that an objective about few of them stands for at least, such as one about the p99."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """For how long an average request waited for a CPU, in seconds. steady: in the arm's own steady phase.

    small_s: by how much the fault may seem harsher without changing the answer. failing_s: the same where an objective
    is about failures; None: as small_s.
    """

    steady_s: float
    probe_s: float
    small_s: float
    failing_s: float | None = None

    def small_for(self, finding: Finding) -> float:
        """Return by how much the fault may seem harsher without changing what an objective says."""
        if self.failing_s is None or finding.objective.quantile is not None:
            return self.small_s
        return self.failing_s


def waits_per_request(
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    requests: Mapping[str, int],
    own: Mapping[str, Collection[str]],
) -> dict[str, float]:
    """Return for how long an average request of each arm waited for a CPU, in all processes that work on it.

    before, after: the seconds of each process. requests: of each arm. own: the processes of each arm; the others work
    on the requests of both. A process that was started in between counts from its start. Empty if nothing is known.
    """
    if not after:
        return {}
    grown = {
        name: seconds - (was if (was := before.get(name, 0.0)) <= seconds else 0.0) for name, seconds in after.items()
    }
    of_arms = {name for names in own.values() for name in names}
    shared = sum(seconds for name, seconds in grown.items() if name not in of_arms) / max(sum(requests.values()), 1)
    return {
        arm: shared + sum(grown.get(name, 0.0) for name in own.get(arm, ())) / max(count, 1)
        for arm, count in requests.items()
    }


def believed(told: Outcome, waits: Waits) -> Outcome:
    """Return what an arm did, with the reason and without the decision if the machine may have made it."""
    why = ""
    if told.broke is True:
        failed = [one for one in told.findings if one.verdict is Verdict.FAIL]
        doubts = [_doubt_of_break(waits, _share(one), waits.small_for(one)) for one in failed]
        why = "" if "" in doubts else next(iter(doubts), "")
    elif told.broke is False:
        by_latency = [_share(one) for one in told.findings if one.objective.quantile is not None]
        why = _doubt_of_hold(waits, min(by_latency)) if by_latency else ""
    return replace(told, broke=None if why else told.broke, waited_s=waits.probe_s, doubt=why)


def _share(finding: Finding) -> float:
    """Return the share of the requests that left the tolerance, as far as the objective tells it."""
    if finding.objective.quantile is not None:
        return max(1 - finding.objective.quantile, FEWEST)
    if finding.difference is None or finding.margin is None or finding.relative:
        return FEWEST
    return max(finding.difference - finding.margin, 0.0)


def _doubt_of_break(waits: Waits, share: float, small_s: float) -> str:
    """Return why a break is not believed, or an empty string.

    share: of the requests that left the tolerance, so that all of them must have waited if the fault did not do it.
    """
    harsher_s = waits.probe_s / share if share else math.inf
    if waits.probe_s <= LEAST_S or harsher_s <= small_s:
        return ""
    by = f" by {format_duration(harsher_s)}" if share else ""
    return f"each request waited {format_duration(waits.probe_s)} for a CPU, so the fault may have seemed harsher{by}"


def _doubt_of_hold(waits: Waits, share: float) -> str:
    """Return why it is not believed that latency withstood the fault: the steady phase may have been as slow itself.

    share: of the requests whose latency is compared.
    """
    if waits.steady_s <= LEAST_S or (waits.steady_s - waits.probe_s) / share <= waits.small_s:
        return ""
    steady, probe = format_duration(waits.steady_s), format_duration(waits.probe_s)
    return f"each request of the steady phase waited {steady} for a CPU, and each one under the fault {probe}"
