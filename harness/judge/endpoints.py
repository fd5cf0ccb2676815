"""Compare the arms' requests endpoint by endpoint: how many each arm got, and how many it failed.

The judge warns about another mix of endpoints, because plain averages then differ without any harm. The safeguards
object to an endpoint that is broken or missing in one arm only, however few requests it gets. Both count here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.phase import Phase
from harness.model.samples import ARMS, BASELINE, CANARY, Samples
from harness.model.units import format_percent
from harness.stats.binomial import binomial_tails
from harness.stats.table import NO_ANSWER, TOTAL, Table
from harness.stats.tally import tally

LEAST_SHIFT = 0.02
"""A smaller difference between an endpoint's shares of the arms' requests changes little."""
SIGMAS = 6.0
ENOUGH = 30
"""So many requests of an endpoint in each arm show a difference of ``MOST`` by chance once in 20,000 times."""
UNLIKELY = 1e-6
"""With fewer requests, arms that fail alike may show so many failures of the canary with at most this chance."""
MOST = 0.5
"""The canary may not fail so much more of an endpoint's requests than the baseline, as a share of all of them."""
EXPECTED = 20.0
"""An arm that should have got so many requests of an endpoint has none by chance less than once in 10**8 times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCounts:
    """Requests and failures in the judged phases by arm and endpoint, both of shape (2, e)."""

    names: tuple[str, ...]
    requests: NDArray[np.float64]
    failed: NDArray[np.float64]

    @property
    def totals(self) -> NDArray[np.float64]:
        """Requests by arm, shape (2,)."""
        totals: NDArray[np.float64] = self.requests.sum(axis=1)
        return totals

    @property
    def expected(self) -> NDArray[np.float64]:
        """The requests that each arm would have got with the other arm's mix, shape (2, e)."""
        shares = self.requests / np.maximum(self.totals, 1)[:, None]
        expected: NDArray[np.float64] = shares[::-1] * self.totals[:, None]
        return expected

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which endpoints an arm has no request of although it should have many, shape (2, e)."""
        missing: NDArray[np.bool_] = (self.requests == 0) & (self.expected >= EXPECTED)
        return missing


def counts_of_samples(samples: Samples, phases: Sequence[Phase]) -> EndpointCounts:
    """Count single requests."""
    size = max(len(samples.operations), 1)
    requests, failed = np.zeros((len(ARMS), size)), np.zeros((len(ARMS), size))
    for part in samples.parts():
        judged = np.zeros(len(part), bool)
        for phase in phases:
            if phase.kind.judged:
                judged |= (part.due_s >= phase.start_s) & (part.due_s < phase.end_s)
        for arm in (BASELINE, CANARY):
            own = judged & (part.arm == arm)
            requests[arm] += tally(part.operation, own, size)
            failed[arm] += tally(part.operation, own & part.failed, size)
    return EndpointCounts(names=samples.operations, requests=requests, failed=failed)


def counts_of_table(table: Table, phases: Sequence[Phase]) -> EndpointCounts:
    """Count the requests of a reduced table."""
    names, size = {phase.name for phase in phases if phase.kind.judged}, len(table.operations)
    judged = np.array([name in names for name in table.phases], np.bool_)
    rows = judged[table.cells[:, 0]] & (table.cells[:, 3] < len(ARMS))
    cells, counts = table.cells[rows], table.counts[rows]
    places = cells[:, 3] * size + cells[:, 2]
    requests, failed = (
        np.bincount(places, each, len(ARMS) * size).astype(np.float64, copy=False).reshape(len(ARMS), size)
        for each in (counts[:, TOTAL], counts[:, NO_ANSWER:].sum(axis=1))
    )
    return EndpointCounts(names=table.operations, requests=requests, failed=failed)


def broken(counts: EndpointCounts) -> list[str]:
    """Name each endpoint of which the canary fails most requests that the baseline answers, with both shares."""
    shares = counts.failed / np.maximum(counts.requests, 1)
    found = shares[CANARY] - shares[BASELINE] > MOST
    for each in np.flatnonzero(found & (counts.requests.min(axis=0) < ENOUGH)):
        found[each] = _chance(counts.requests[:, each], counts.failed[:, each]) <= UNLIKELY
    names = [name or "all of them" for name in counts.names]
    return [
        f"{names[each]}: {_percent(shares[CANARY, each])} against {_percent(shares[BASELINE, each])}"
        for each in np.flatnonzero(found)
    ]


def _chance(requests: NDArray[np.float64], failed: NDArray[np.float64]) -> float:
    """Return the chance that so many of all failures are the canary's if equal arms fail alike; 1 without requests.

    Failures are taken for independent draws of an arm, which is cautious: drawing without replacement varies less.
    """
    if not requests.all():
        return 1.0
    share = float(requests[CANARY] / requests.sum())
    return binomial_tails(round(float(failed[CANARY])), round(float(failed.sum())), share)[0]


def missing(counts: EndpointCounts) -> list[str]:
    """Name each endpoint that one arm should have got and did not."""
    return [
        f"{name} has none of the {ARMS[arm]}"
        for each, name in enumerate(counts.names)
        for arm in (BASELINE, CANARY)
        if counts.missing[arm, each]
    ]


def mix_warnings(counts: EndpointCounts, *, compared_apart: bool) -> tuple[str, ...]:
    """Return a warning if an endpoint's share differs between the arms beyond chance.

    compared_apart: whether the objectives are compared endpoint by endpoint. The test is a normal one of two shares for
    each endpoint at six standard errors, which allows for many endpoints and for requests that come in groups. If one
    is missing in an arm, the safeguards object, and nothing is left to warn of.
    """
    totals = counts.totals
    if len(counts.names) < 2 or not totals.all() or counts.missing.any():
        return ()
    shares = counts.requests / totals[:, None]
    pooled = counts.requests.sum(axis=0) / totals.sum()
    errors = np.sqrt(pooled * (1 - pooled) * (1 / totals[BASELINE] + 1 / totals[CANARY]))
    shifts = np.abs(shares[CANARY] - shares[BASELINE])
    worst = int(np.argmax(np.where(shifts > SIGMAS * errors, shifts, 0.0)))
    if shifts[worst] < LEAST_SHIFT or shifts[worst] <= SIGMAS * errors[worst]:
        return ()
    how = (
        "they are compared endpoint by endpoint"
        if compared_apart
        else "they are too few to be compared endpoint by endpoint, so a difference may come from the mix"
    )
    canary, baseline = (_percent(shares[arm, worst]) for arm in (CANARY, BASELINE))
    return (
        f"the arms got different mixes of requests: {counts.names[worst]} is {canary} of the canary's, {baseline} of "
        f"the baseline's; {how}",
    )


def _percent(share: float) -> str:
    return format_percent(float(share))
