"""Compare the arms endpoint by endpoint: weights that give both arms the same mix of endpoints in every block.

A canary that gets more requests to a slow endpoint looks slow without being slower. So the arms are compared inside
each block *and* endpoint (Mantel & Haenszel 1959, with both as strata): a stratum's weight is n_c n_b / (n_c + n_b),
and the contrasts work with the sums over a block's endpoints. That is the same as giving each request of a stratum the
weight ``coefficients``: then both arms have the same mix in a block, and the block's weight is that of its strata.
Requests of endpoints that the other arm did not get in the block count nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.table import NO_ANSWER, TOTAL, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_KEPT = 0.8
"""Of the weight of blocks alone: below it, endpoints have too few requests in a block to be compared in each."""
LEAST_CALM = 0.25
"""The variance inside endpoints is never assumed to be a smaller share of all, however unlike the endpoints are."""
_MOST = 5_000_000
_NO_VARIANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """How to weight requests so that both arms have the same mix.

    coefficients: what a request of each cell of the table counts; 0 without the other arm. weights: the total weight of
    each endpoint, shape (s,). stratum: the endpoint of each cell, -1 for other cells. calm_failed: see ``Window``.
    """

    coefficients: Floats
    weights: Floats
    stratum: Ints
    calm_failed: float
    table: Table

    def calm_above(self, width: int, first_bin: int) -> Floats:
        """Return the share of the variance of latencies above each bin that is inside endpoints, shape (width,)."""
        rows = self.table.rows_of(self.stratum >= 0)
        strata = self.stratum[self.table.bin_cells[rows]]
        places = strata * width + (self.table.bin_numbers[rows] - first_bin)
        counts, used = self.table.bin_counts[rows], strata >= 0
        if not used.all():
            places, counts = places[used], counts[used]
        counts = np.bincount(places, counts, len(self.weights) * width).reshape(-1, width)
        tails = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        shares = tails / np.where(tails[:, :1] > 0, tails[:, :1], 1)
        return _calm(self.weights, shares)


def strata_of(table: Table, known: NDArray[np.bool_], slots: Ints, blocks: int) -> Strata | None:
    """Return how to standardise the ``known`` cells of a table, or None if they are one endpoint or too thin.

    slots: arm * ``blocks`` + block of each cell.
    """
    names, stratum = np.unique(table.cells[known, 2], return_inverse=True)
    if len(names) < 2 or len(names) * blocks > _MOST:
        return None
    arm, block = np.divmod(slots[known], blocks)
    trials = np.zeros((2, len(names), blocks))
    np.add.at(trials, (arm, stratum, block), table.counts[known, TOTAL])
    weights = _weights(trials)
    sums = trials.sum(axis=1)
    if weights.sum() <= LEAST_KEPT * _weights(sums).sum():
        return None
    # A block of weight W has W / (1 - p) requests of the canary and W / p of the baseline, if p is the canary's share.
    scale = sums.sum(axis=0) / np.where(sums > 0, sums, 1)[::-1]
    each = scale[:, None, :] * weights / np.where(trials > 0, trials, 1)
    coefficients, strata = np.zeros(len(table.cells)), np.full(len(table.cells), -1, np.int64)
    coefficients[known] = each[arm, stratum, block]
    strata[known] = stratum
    failed = np.bincount(stratum, table.counts[known][:, NO_ANSWER:].sum(axis=1), len(names))
    shares = failed / trials.sum(axis=(0, 2))
    by_endpoint = weights.sum(axis=1)
    return Strata(
        coefficients=coefficients,
        weights=by_endpoint,
        stratum=strata,
        calm_failed=float(_calm(by_endpoint, shares[:, None])[0]),
        table=table,
    )


def _weights(trials: Floats) -> Floats:
    """Return n_c n_b / (n_c + n_b) for trials of shape (2, ...)."""
    both = (trials > 0).all(axis=0)
    product, total = trials[BASELINE] * trials[CANARY], trials.sum(axis=0)
    found: Floats = np.where(both, product / np.where(total > 0, total, 1), 0.0)
    return found


def _calm(weights: Floats, shares: Floats) -> Floats:
    """Return the variance of events inside strata as a share of all, for shares of shape (s, k); shape (k,)."""
    mean = weights @ shares / weights.sum()
    whole = mean * (1 - mean)
    inside = weights @ (shares * (1 - shares)) / weights.sum()
    found: Floats = np.clip(
        np.where(whole > _NO_VARIANCE, inside / np.where(whole > _NO_VARIANCE, whole, 1), 1.0), LEAST_CALM, 1.0
    )
    return found
