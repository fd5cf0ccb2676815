"""Tell people if the arms got different mixes of endpoints: then their plain averages differ without any harm."""

from __future__ import annotations

import numpy as np

from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_percent
from harness.stats.table import TOTAL, Table

LEAST_SHIFT = 0.02
"""A smaller difference between an endpoint's shares of the arms' requests changes little."""
SIGMAS = 6.0


def mix_warnings(table: Table, *, compared_apart: bool) -> tuple[str, ...]:
    """Return a warning if an endpoint's share differs between the arms beyond chance.

    compared_apart: whether the objectives are compared endpoint by endpoint. The test is a normal one of two shares for
    each endpoint at six standard errors, which allows for many endpoints and for requests that come in groups.
    """
    counts = np.zeros((2, len(table.operations)))
    for arm in (BASELINE, CANARY):
        own = table.cells[:, 3] == arm
        counts[arm] = np.bincount(table.cells[own, 2], table.counts[own, TOTAL], len(table.operations))
    totals = counts.sum(axis=1)
    if len(table.operations) < 2 or not totals.all():
        return ()
    shares = counts / totals[:, None]
    pooled = counts.sum(axis=0) / totals.sum()
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
    numbers = " against ".join(format_percent(float(shares[arm, worst])) for arm in (CANARY, BASELINE))
    name = table.operations[worst]
    return (f"the arms got different mixes of requests: {name} is {numbers} of the baseline's; {how}",)
