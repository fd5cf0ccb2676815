"""A stretch of blocks of one phase as dense arrays, from which the contrasts between the arms are computed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.strata import strata_of
from harness.stats.table import NO_ANSWER, TOTAL, Table
from harness.stats.weights import Weights, weights_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Counts by arm and block; index 0 is the baseline, index 1 the canary.

    blocks: block numbers in order, shape (b,). block_s: the width of a block in seconds. exposure: how many seconds
    of each block belong to the stretch, shape (b,).
    requests, failed: shape (2, b). above: shape (2, b, k + 1), the number of latencies in or above bin
    ``first_bin`` + k, of requests without an error. unknown: the requests that no known arm answered.
    weights: the weights of the blocks by the requests without an error; None when no block has both arms.
    survival: shape (2, k + 1), the weighted share of latencies in or above a bin.
    standardised: the same blocks with both arms weighted to the same mix of endpoints (``stats.strata``), if there are
    several with enough requests. calm: the variance inside the endpoints as a share of all variance; for failures and,
    shape (k + 1,), for latencies; None stands for 1.
    """

    blocks: NDArray[np.int64]
    block_s: float
    exposure: Floats
    requests: Floats
    failed: Floats
    above: Floats
    first_bin: int
    unknown: int
    weights: Weights | None
    survival: Floats
    standardised: Window | None = None
    calm_failed: float = 1.0
    calm_above: Floats | None = None

    @property
    def standard(self) -> Window:
        """The window in which both arms have the same mix of endpoints, or this one if they are not told apart."""
        return self if self.standardised is None else self.standardised

    @property
    def seconds(self) -> float:
        """The time from the start of the first block to the end of the last one, in seconds."""
        return float(self.blocks[-1] - self.blocks[0] + 1) * self.block_s if len(self.blocks) else 0.0

    @property
    def counts(self) -> tuple[int, int]:
        """Requests of the baseline and of the canary."""
        return int(self.requests[BASELINE].sum()), int(self.requests[CANARY].sum())

    @property
    def answered(self) -> tuple[int, int]:
        """Requests without an error of the baseline and of the canary."""
        return int(self.above[BASELINE, :, 0].sum()), int(self.above[CANARY, :, 0].sum())

    def since(self, index: int) -> Window:
        """Return only the blocks from ``index`` on."""
        return self.between(index, len(self.blocks))

    def between(self, first: int, last: int) -> Window:
        """Return only the blocks from index ``first`` to ``last`` (exclusive)."""
        return _window(
            self.blocks[first:last],
            self.block_s,
            self.requests[:, first:last],
            self.failed[:, first:last],
            (self.above[:, first:last], self.first_bin),
            exposure=self.exposure[first:last],
            unknown=self.unknown,
            standardised=None if self.standardised is None else self.standardised.between(first, last),
            calm=(self.calm_failed, self.calm_above),
        )

    def ranked(self) -> Window:
        """Return the window with every failed request counted as slower than any success.

        Shares of requests above a latency are then of all requests (a worst-rank comparison: Lachin 1999).
        """
        return _window(
            self.blocks,
            self.block_s,
            self.requests,
            self.failed,
            (self.above + self.failed[:, :, None], self.first_bin),
            exposure=self.exposure,
            unknown=self.unknown,
            standardised=None if self.standardised is None else self.standardised.ranked(),
        )


def _window(
    blocks: NDArray[np.int64],
    block_s: float,
    requests: Floats,
    failed: Floats,
    above: tuple[Floats, int],
    *,
    exposure: Floats,
    unknown: int,
    standardised: Window | None = None,
    calm: tuple[float, Floats | None] = (1.0, None),
) -> Window:
    counts, first_bin = above
    answered = counts[:, :, 0]
    weights = weights_of(answered)
    survival = np.zeros((2, counts.shape[2]))
    if weights is not None:
        scale = weights.by_block / weights.total / np.where(answered > 0, answered, 1)
        survival = np.matmul(scale[:, None, :], counts)[:, 0, :]
    return Window(
        blocks=blocks,
        block_s=block_s,
        exposure=exposure,
        requests=requests,
        failed=failed,
        above=counts,
        first_bin=first_bin,
        unknown=unknown,
        weights=weights,
        survival=survival,
        standardised=standardised,
        calm_failed=calm[0],
        calm_above=calm[1],
    )


def window_of_histograms(counts: Floats, *, first_bin: int, block_s: float) -> Window:
    """Return the blocks of a stretch from histograms alone.

    counts: latencies by arm, block and bin, shape (2, b, k), beginning with bin ``first_bin``.
    """
    above = np.zeros((*counts.shape[:2], counts.shape[2] + 1))
    above[:, :, :-1] = np.cumsum(counts[:, :, ::-1], axis=2)[:, :, ::-1]
    requests = counts.sum(axis=2)
    return _window(
        np.arange(counts.shape[1]),
        block_s,
        requests,
        np.zeros_like(requests),
        (above, first_bin),
        exposure=np.full(counts.shape[1], block_s),
        unknown=0,
    )


def window_of(
    table: Table,
    phase: str,
    *,
    operation: str | None = None,
    others: bool = False,
    before_s: float = np.inf,
    span_s: tuple[float, float] | None = None,
) -> Window:
    """Return the blocks of ``phase`` that end no later than ``before_s`` seconds.

    operation: only this operation; None takes all operations together. others: all operations except this one. span_s:
    the phase's start and end in seconds; it adds the blocks without requests, which the table does not contain.
    """
    chosen = _chosen(table, phase, operation, before_s, others=others)
    blocks = _blocks_of(span_s, table.block_s, before_s)
    known = chosen & (table.cells[:, 3] <= CANARY)
    blocks = np.union1d(table.cells[known, 1], blocks)
    slots = np.full(len(table.cells), -1, np.int64)
    slots[known] = table.cells[known, 3] * len(blocks) + np.searchsorted(blocks, table.cells[known, 1])
    exposure, unknown = _exposure(blocks, table.block_s, span_s), int(table.counts[chosen & ~known, TOTAL].sum())
    strata = strata_of(table, known, slots, len(blocks))
    standardised = None
    if strata is not None:
        arrays = _arrays(table, slots, len(blocks), strata.coefficients)
        calm = strata.calm_failed, strata.calm_above(*arrays[2:])
        standardised = _window(
            blocks, table.block_s, *arrays[:2], arrays[2:], exposure=exposure, unknown=unknown, calm=calm
        )
    requests, failed, above, first_bin = _arrays(table, slots, len(blocks), None)
    return _window(
        blocks,
        table.block_s,
        requests,
        failed,
        (above, first_bin),
        exposure=exposure,
        unknown=unknown,
        standardised=standardised,
    )


def _arrays(
    table: Table, slots: NDArray[np.int64], blocks: int, coefficients: Floats | None
) -> tuple[Floats, Floats, Floats, int]:
    """Return requests and failed (shape (2, b)), above (shape (2, b, k + 1)) and the first bin.

    slots: the arm and block of each cell, -1 for none. coefficients: what each request of a cell counts, or None for 1.
    """
    known = slots >= 0
    weight = np.ones(int(known.sum())) if coefficients is None else coefficients[known]
    size = 2 * blocks
    counts = table.counts[known]
    requests = np.bincount(slots[known], counts[:, TOTAL] * weight, size).astype(np.float64).reshape(2, -1)
    failed = np.bincount(slots[known], counts[:, NO_ANSWER:].sum(axis=1) * weight, size).astype(np.float64)
    return requests, failed.reshape(2, -1), *_above(table, slots, size, coefficients)


def _chosen(table: Table, phase: str, operation: str | None, before_s: float, *, others: bool) -> NDArray[np.bool_]:
    """Return which cells belong to a phase, an operation (None: any) and blocks that end by ``before_s`` seconds."""
    if phase not in table.phases or (operation is not None and operation not in table.operations):
        return np.zeros(len(table.cells), np.bool_)
    chosen: NDArray[np.bool_] = table.cells[:, 0] == table.phases.index(phase)
    chosen &= (table.cells[:, 1] + 1) * table.block_s <= before_s + 1e-9
    if operation is not None:
        chosen &= (table.cells[:, 2] == table.operations.index(operation)) != others
    return chosen


def _blocks_of(span_s: tuple[float, float] | None, block_s: float, before_s: float) -> NDArray[np.int64]:
    """Return the numbers of the blocks that overlap a span and end no later than ``before_s`` seconds."""
    if span_s is None:
        return np.empty(0, np.int64)
    start_s, end_s = span_s
    blocks = np.arange(int(start_s // block_s), math.ceil(end_s / block_s), dtype=np.int64)
    return blocks[(blocks + 1) * block_s <= before_s + 1e-9]


def _exposure(blocks: NDArray[np.int64], block_s: float, span_s: tuple[float, float] | None) -> Floats:
    start_s, end_s = (-math.inf, math.inf) if span_s is None else span_s
    inside: Floats = np.minimum((blocks + 1) * block_s, end_s) - np.maximum(blocks * block_s, start_s)
    return inside.clip(0.0, block_s)


def _above(table: Table, slots: NDArray[np.int64], size: int, coefficients: Floats | None) -> tuple[Floats, int]:
    rows = slots[table.bin_cells]
    used = rows >= 0
    if not used.any():
        return np.zeros((2, size // 2, 1)), 0
    bins = table.bin_numbers[used]
    first, width = int(bins.min()), int(bins.max() - bins.min()) + 2
    counts = table.bin_counts[used].astype(np.float64)
    if coefficients is not None:
        counts *= coefficients[table.bin_cells[used]]
    dense = np.bincount(rows[used] * width + (bins - first), counts, size * width)
    above = dense.astype(np.float64, copy=False).reshape(size, width)
    np.cumsum(above[:, ::-1], axis=1, out=above[:, ::-1])
    return above.reshape(2, -1, width), first


def joined(first: Window, second: Window) -> Window:
    """Return two stretches joined, the second after the first; both must have the same block width."""
    low = min(first.first_bin, second.first_bin)
    high = max(window.first_bin + window.above.shape[2] for window in (first, second))
    return _window(
        np.concatenate([first.blocks, second.blocks]),
        first.block_s,
        np.concatenate([first.requests, second.requests], axis=1),
        np.concatenate([first.failed, second.failed], axis=1),
        (np.concatenate([_spread(first, low, high), _spread(second, low, high)], axis=1), low),
        exposure=np.concatenate([first.exposure, second.exposure]),
        unknown=first.unknown + second.unknown,
        standardised=None
        if first.standardised is None and second.standardised is None
        else joined(first.standard, second.standard),
    )


def _spread(window: Window, low: int, high: int) -> Floats:
    """Return ``above`` on a wider axis: every latency is above the new lower bins, none above the new upper ones."""
    return np.pad(
        np.pad(window.above, ((0, 0), (0, 0), (window.first_bin - low, 0)), mode="edge"),
        ((0, 0), (0, 0), (0, high - window.first_bin - window.above.shape[2])),
    )
