"""A stretch of blocks of one phase as dense arrays, from which the contrasts between the arms are computed.

What takes long is computed when it is first asked for: a look asks for a small part of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import CANARY
from harness.stats.latencies import Latencies
from harness.stats.once import Once
from harness.stats.strata import strata_of
from harness.stats.table import NO_ANSWER, TOTAL, Table
from harness.stats.variance import Caution, Overdispersion
from harness.stats.weights import Weights, weights_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Counts by arm and block; index 0 is the baseline, index 1 the canary.

    blocks: block numbers in order, shape (b,). block_s: the width of a block in seconds. exposure: how many seconds
    of each block belong to the stretch, shape (b,).
    requests, failed: shape (2, b). counts: the requests of the baseline and of the canary. latencies, answered: those
    without an error. unknown: the requests that no known arm answered. weights: the weights of the blocks by the
    requests without an error; None when no block has both arms.
    survival_of: returns the weighted share of latencies in or above each bin, shape (2, width).
    standardised: the same blocks with both arms weighted to the same mix of endpoints (``stats.strata``), if there are
    several with enough requests. calm_failed, calm_of: the variance inside the endpoints as a share of all variance;
    for failures and, from each bin on (shape (width,)), for latencies; None stands for 1.
    noises: of quantiles that were estimated already, by quantile, excess and caution (``stats.contrast``).
    """

    blocks: Ints
    block_s: float
    exposure: Floats
    requests: Floats
    failed: Floats
    counts: tuple[int, int]
    latencies: Latencies
    answered: tuple[int, int]
    unknown: int
    weights: Weights | None
    survival_of: Callable[[], Floats]
    standardised: Window | None = None
    calm_failed: float = 1.0
    calm_of: Callable[[], Floats] | None = None
    noises: dict[tuple[float, float, Caution], Overdispersion] = field(default_factory=dict, init=False, compare=False)

    @property
    def survival(self) -> Floats:
        """The weighted share of latencies in or above each bin, shape (2, width)."""
        return self.survival_of()

    @property
    def standard(self) -> Window:
        """The window in which both arms have the same mix of endpoints, or this one if they are not told apart."""
        return self if self.standardised is None else self.standardised

    @property
    def seconds(self) -> float:
        """The time from the start of the first block to the end of the last one, in seconds."""
        return float(self.blocks[-1] - self.blocks[0] + 1) * self.block_s if len(self.blocks) else 0.0

    def between(self, first: int, last: int) -> Window:
        """Return only the blocks from index ``first`` to ``last`` (exclusive)."""
        return _window(
            self.blocks[first:last],
            self.block_s,
            self.requests[:, first:last],
            self.failed[:, first:last],
            self.latencies.between(first, last),
            exposure=self.exposure[first:last],
            unknown=self.unknown,
            standardised=None if self.standardised is None else self.standardised.between(first, last),
            calm=(self.calm_failed, self.calm_of),
        )

    def since(self, index: int) -> Window:
        """Return only the blocks from ``index`` on."""
        return self.between(index, len(self.blocks))

    def since_each(
        self, starts: Sequence[int], masses: Callable[[], Floats] | None = None
    ) -> tuple[Callable[[], Window], ...]:
        """Return functions that return the blocks from each of the indices on, which must rise.

        Their curves are added up together. masses: returns ``masses_since`` of the ``standard`` window, if it is known.
        """
        inside = () if self.standardised is None else self.standardised.since_each(starts, masses)
        if masses is None or self.standardised is not None:
            masses = Once(partial(self.masses_since, tuple(starts)))
        columns = np.concatenate([self.requests, self.latencies.answered])[:, ::-1]
        sums = np.cumsum(columns, axis=1)[:, ::-1][:, list(starts)].astype(np.int64).T.tolist()
        weights = [None] * len(starts) if self.weights is None else self.weights.since_each(starts)

        def part(number: int, start: int) -> Window:
            return Window(
                blocks=self.blocks[start:],
                block_s=self.block_s,
                exposure=self.exposure[start:],
                requests=self.requests[:, start:],
                failed=self.failed[:, start:],
                counts=(sums[number][0], sums[number][1]),
                latencies=self.latencies.between(start, len(self.blocks)),
                answered=(sums[number][2], sums[number][3]),
                unknown=self.unknown,
                weights=weights[number],
                survival_of=Once(partial(_survival, masses, number, weights[number])),
                standardised=inside[number]() if inside else None,
                calm_failed=self.calm_failed,
                calm_of=self.calm_of,
            )

        return tuple(Once(partial(part, number, start)) for number, start in enumerate(starts))

    def masses_since(self, starts: tuple[int, ...]) -> Floats:
        """Return the weighted latencies in or above each bin from each index on, shape (s, 2, width)."""
        scale = _scale(self.latencies, self.weights)
        parts = [
            np.matmul(scale[:, None, first:last], self.latencies.counts[:, first:last])[:, 0]
            for first, last in pairwise((*starts, len(self.blocks)))
        ]
        later = np.cumsum(np.stack(parts)[::-1], axis=0)[::-1]
        above: Floats = np.cumsum(later[:, :, ::-1], axis=2)[:, :, ::-1]
        return above

    def ranked(self) -> Window:
        """Return the window with every failed request counted as slower than any success.

        Shares of requests above a latency are then of all requests (a worst-rank comparison: Lachin 1999).
        """
        return _window(
            self.blocks,
            self.block_s,
            self.requests,
            self.failed,
            self.latencies.ranked(self.failed),
            exposure=self.exposure,
            unknown=self.unknown,
            standardised=None if self.standardised is None else self.standardised.ranked(),
        )


def _scale(latencies: Latencies, weights: Weights | None) -> Floats:
    """Return the weight of a latency of each arm and block, shape (2, b)."""
    answered = latencies.answered
    if weights is None:
        return np.zeros_like(answered)
    scale: Floats = weights.by_block / np.where(answered > 0, answered, 1)
    return scale


def _survival(masses: Callable[[], Floats], number: int, weights: Weights | None) -> Floats:
    found = masses()[number]
    return np.zeros_like(found) if weights is None else found / weights.total


def _window(
    blocks: Ints,
    block_s: float,
    requests: Floats,
    failed: Floats,
    latencies: Latencies,
    *,
    exposure: Floats,
    unknown: int,
    standardised: Window | None = None,
    calm: tuple[float, Callable[[], Floats] | None] = (1.0, None),
) -> Window:
    weights = weights_of(latencies.answered)

    @Once
    def survival() -> Floats:
        if weights is None:
            return np.zeros((2, latencies.width))
        masses = np.matmul(_scale(latencies, weights)[:, None, :], latencies.counts)[:, 0]
        above: Floats = np.cumsum(masses[:, ::-1], axis=1)[:, ::-1] / weights.total
        return above

    return Window(
        blocks=blocks,
        block_s=block_s,
        exposure=exposure,
        requests=requests,
        failed=failed,
        counts=_sums(requests),
        latencies=latencies,
        answered=_sums(latencies.answered),
        unknown=unknown,
        weights=weights,
        survival_of=survival,
        standardised=standardised,
        calm_failed=calm[0],
        calm_of=calm[1],
    )


def _sums(requests: Floats) -> tuple[int, int]:
    baseline, canary = requests.sum(axis=1).tolist()
    return int(baseline), int(canary)


def window_of_histograms(counts: Floats, *, first_bin: int, block_s: float) -> Window:
    """Return the blocks of a stretch from histograms alone.

    counts: latencies by arm, block and bin, shape (2, b, k), beginning with bin ``first_bin``.
    """
    requests = counts.sum(axis=2)
    padded = np.concatenate([counts, np.zeros((*counts.shape[:2], 1))], axis=2)
    return _window(
        np.arange(counts.shape[1]),
        block_s,
        requests,
        np.zeros_like(requests),
        Latencies(first_bin=first_bin, width=padded.shape[2], answered=requests, counts_of=lambda: padded),
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
    own = table.cells[known]
    if not len(blocks) or (len(own) and (own[:, 1].min() < blocks[0] or own[:, 1].max() > blocks[-1])):
        blocks = np.union1d(own[:, 1], blocks)
    slots = np.full(len(table.cells), -1, np.int64)
    slots[known] = own[:, 3] * len(blocks) + np.searchsorted(blocks, own[:, 1])
    exposure, unknown = _exposure(blocks, table.block_s, span_s), int(table.counts[chosen & ~known, TOTAL].sum())
    bins, strata = _bins_of(table, known), strata_of(table, known, slots, len(blocks))
    standardised = None
    if strata is not None:
        requests, failed, latencies = _arrays(table, slots, len(blocks), bins, strata.coefficients)
        calm_of = Once(partial(strata.calm_above, latencies.width, latencies.first_bin))
        standardised = _window(
            blocks, table.block_s, requests, failed, latencies, exposure=exposure, unknown=unknown,
            calm=(strata.calm_failed, calm_of),
        )  # fmt: skip
    requests, failed, latencies = _arrays(table, slots, len(blocks), bins, None)
    return _window(
        blocks, table.block_s, requests, failed, latencies, exposure=exposure, unknown=unknown,
        standardised=standardised,
    )  # fmt: skip


def _arrays(
    table: Table, slots: Ints, blocks: int, bins: tuple[int, int], coefficients: Floats | None
) -> tuple[Floats, Floats, Latencies]:
    """Return requests and failed, both of shape (2, b), and the latencies.

    slots: the arm and block of each cell, -1 for none. bins: the first and the last one with latencies. coefficients:
    what each request of a cell counts, or None for 1.
    """
    known = slots >= 0
    size = 2 * blocks
    counts, own = table.counts[known], slots[known]
    weight = np.ones(len(own)) if coefficients is None else coefficients[known]
    errors = counts[:, NO_ANSWER:].sum(axis=1)
    requests, failed, answered = (
        np.bincount(own, each * weight, size).astype(np.float64, copy=False).reshape(2, -1)
        for each in (counts[:, TOTAL], errors, counts[:, TOTAL] - errors)
    )
    first, last = bins
    width = last - first + 2

    @Once
    def binned() -> Floats:
        return _binned(table, slots, (2, blocks, width), first, coefficients)

    return requests, failed, Latencies(first_bin=first, width=width, answered=answered, counts_of=binned)


def _chosen(table: Table, phase: str, operation: str | None, before_s: float, *, others: bool) -> NDArray[np.bool_]:
    """Return which cells belong to a phase, an operation (None: any) and blocks that end by ``before_s`` seconds."""
    if phase not in table.phases or (operation is not None and operation not in table.operations):
        return np.zeros(len(table.cells), np.bool_)
    chosen: NDArray[np.bool_] = table.cells[:, 0] == table.phases.index(phase)
    chosen &= (table.cells[:, 1] + 1) * table.block_s <= before_s + 1e-9
    if operation is not None:
        chosen &= (table.cells[:, 2] == table.operations.index(operation)) != others
    return chosen


def _blocks_of(span_s: tuple[float, float] | None, block_s: float, before_s: float) -> Ints:
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


def _bins_of(table: Table, known: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and the last bin with latencies of these cells; an empty range without any."""
    rows = table.rows_of(known)
    bins = table.bin_numbers[rows]
    if not known.all():
        bins = bins[known[table.bin_cells[rows]]]
    return (int(bins.min()), int(bins.max())) if len(bins) else (0, -1)


def _binned(
    table: Table, slots: Ints, shape: tuple[int, int, int], first_bin: int, coefficients: Floats | None
) -> Floats:
    """Return the latencies in each bin, of this shape."""
    rows = table.rows_of(slots >= 0)
    cells, bins, counts = table.bin_cells[rows], table.bin_numbers[rows], table.bin_counts[rows]
    starts = np.where(slots >= 0, slots * shape[2] - first_bin, 0)
    places = starts[cells] + bins
    weights = counts.astype(np.float64) if coefficients is None else counts * coefficients[cells]
    used = slots[cells] >= 0
    if not used.all():
        places, weights = places[used], weights[used]
    found: Floats = np.bincount(places, weights, math.prod(shape)).astype(np.float64, copy=False).reshape(shape)
    return found


def joined(first: Window, second: Window) -> Window:
    """Return two stretches joined, the second after the first; both must have the same block width."""
    return _window(
        np.concatenate([first.blocks, second.blocks]),
        first.block_s,
        np.concatenate([first.requests, second.requests], axis=1),
        np.concatenate([first.failed, second.failed], axis=1),
        first.latencies.joined(second.latencies),
        exposure=np.concatenate([first.exposure, second.exposure]),
        unknown=first.unknown + second.unknown,
        standardised=None
        if first.standardised is None and second.standardised is None
        else joined(first.standard, second.standard),
    )
