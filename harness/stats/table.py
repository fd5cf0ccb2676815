"""Reduce requests to counts by phase, block of time, operation and arm.

A table's size depends on the run's length and the number of operations, not on the number of requests. Tables of
several workers, or of one run read in pieces, are merged by adding their counts; the order does not matter. Latencies
are those of requests without an error, in logarithmic bins one per cent wide (see ``histogram``). Errors are counted
by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.model.phase import Phase
from harness.model.samples import ARMS, BASELINE, CANARY, Samples
from harness.stats.histogram import BINS, bins_of

TOTAL, NO_ANSWER, SERVER_ERROR, CLIENT_CHECK = range(4)
COUNTS = ("total", "no answer", "status 5xx", "refused by the load profile")
_ARMS = 3  # baseline, canary, unknown
_DENSE_LIMIT = 1 << 22

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Counts of requests; build one with ``reduce_samples`` and add tables with ``merged``.

    block_s: the width of a block in seconds; block k covers the run from k to k + 1 times this width.
    phases, operations: the names that the columns of ``cells`` index.
    cells: shape (c, 4), sorted and unique: phase, block, operation, arm (2 is an unknown arm).
    counts: shape (c, 4), with the columns ``COUNTS``; the classes of errors are disjoint.
    bin_cells, bin_numbers, bin_counts: shape (e,), how many latencies fell into a bin of a cell, in the order of both.
    """

    block_s: float
    phases: tuple[str, ...]
    operations: tuple[str, ...]
    cells: Ints
    counts: Ints
    bin_cells: Ints
    bin_numbers: Ints
    bin_counts: Ints

    def total(self, arm: int) -> int:
        """Return the number of requests of an arm in all phases."""
        return int(self.counts[self.cells[:, 3] == arm % _ARMS, TOTAL].sum())

    def rows_of(self, known: NDArray[np.bool_]) -> slice:
        """Return the rows of bins that belong to the cells from the first to the last ``known`` one (shape (c,))."""
        cells = np.flatnonzero(known)
        if not len(cells):
            return slice(0, 0)
        first, last = np.searchsorted(self.bin_cells, (cells[0], cells[-1] + 1))
        return slice(int(first), int(last))


def reduce_samples(samples: Samples, phases: Sequence[Phase], *, block_s: float) -> Table:
    """Return the table of all samples that were due inside one of ``phases``.

    phases: must not overlap; samples outside all of them are left out. block_s: the width of a block in seconds.
    Raises JudgeInputError, with the row, for due times or latencies that are NaN, infinite or negative.
    """
    _check(samples)
    ordered = sorted(phases, key=lambda phase: (phase.start_s, phase.name))
    names = tuple(phase.name for phase in ordered)
    operations = samples.operations or ("",)
    if not len(samples) or not ordered:
        return _empty(block_s, names, operations)
    lowest, highest = bins_of(np.array([samples.latency_s.min(), samples.latency_s.max()]))
    span_s = float(samples.due_s.min()), float(samples.due_s.max())
    grid = _Grid(
        block_s=block_s,
        phases=tuple(ordered),
        rows=_rows(ordered, span_s, block_s),
        operations=len(operations),
        arms=len(ARMS) if samples.arm.min() >= BASELINE and samples.arm.max() <= CANARY else _ARMS,
        first_bin=int(lowest),
        bins=int(highest - lowest) + 1,
    )
    if grid.cells * grid.bins <= _DENSE_LIMIT:
        return _dense(samples, grid, operations)
    return merged([_sparse(part, grid, operations) for part in samples.parts()])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows: the blocks of all phases, numbered in order; a block that two phases share is a row of each.

    first_block, first_row: the first block and the first row of each phase, shape (p,). count: the number of rows.
    """

    first_block: Ints
    first_row: Ints
    count: int


def _rows(phases: Sequence[Phase], span_s: tuple[float, float], block_s: float) -> _Rows:
    """Return the rows for the part of each phase between the first and the last request."""
    start_s = np.array([phase.start_s for phase in phases]).clip(*span_s)
    end_s = np.array([phase.end_s for phase in phases]).clip(*span_s)
    first_block, last_block = (np.floor(edge_s * (1 / block_s)).astype(np.int64) for edge_s in (start_s, end_s))
    ends = np.cumsum(last_block - first_block + 1)
    return _Rows(first_block=first_block, first_row=np.concatenate(([0], ends[:-1])), count=int(ends[-1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """The cells and bins that samples can fall into, numbered by phase, block, operation, arm and bin."""

    block_s: float
    phases: tuple[Phase, ...]
    rows: _Rows
    operations: int
    arms: int
    first_bin: int
    bins: int

    @property
    def cells(self) -> int:
        return self.rows.count * self.operations * self.arms

    def cell_of(self, samples: Samples) -> Ints:
        """Return the number of each sample's cell; ``cells`` for samples outside all phases."""
        cell = (samples.due_s * (1 / self.block_s)).astype(np.int64)  # not negative, so this is the floor
        phase = _phase_of(samples.due_s, self.phases)
        outside = phase < 0
        if len(self.phases) == 1:
            cell -= self.rows.first_block[0]
        else:
            cell -= (self.rows.first_block - self.rows.first_row)[phase]
        if self.operations > 1:
            cell *= self.operations
            cell += np.clip(samples.operation, 0, self.operations - 1)
        cell *= self.arms
        known = self.arms == len(ARMS)
        cell += samples.arm if known else np.where((samples.arm >= BASELINE) & (samples.arm <= CANARY), samples.arm, 2)
        cell[outside] = self.cells
        return cell

    def table(self, operations: tuple[str, ...], counts: tuple[Ints, Ints], bins: tuple[Ints, Ints]) -> Table:
        """Return the table for cell numbers with their counts, and for numbers of bins in cells with theirs."""
        keys, columns = counts
        fine, fine_counts = bins
        rest, arm = np.divmod(keys, self.arms)
        row, operation = np.divmod(rest, self.operations)
        phase = np.searchsorted(self.rows.first_row, row, side="right") - 1
        block = row - self.rows.first_row[phase] + self.rows.first_block[phase]
        return Table(
            block_s=self.block_s,
            phases=tuple(phase.name for phase in self.phases),
            operations=operations,
            cells=np.stack([phase, block, operation, arm], axis=1),
            counts=columns,
            bin_cells=np.searchsorted(keys, fine // self.bins),
            bin_numbers=fine % self.bins + self.first_bin,
            bin_counts=fine_counts,
        )


def _dense(samples: Samples, grid: _Grid, operations: tuple[str, ...]) -> Table:
    """Count in one array of all cells and bins."""
    counts = np.zeros((len(COUNTS), grid.cells), np.int64)
    size = grid.cells * grid.bins
    dense: Ints | None = None
    for part in samples.parts():
        cell = grid.cell_of(part)
        for column, mask in enumerate(_classes(part)):
            counts[column] += np.bincount(cell if mask is None else cell[mask], minlength=grid.cells + 1)[:-1]
        found = np.bincount(_fine(part, cell, grid), minlength=size)
        dense = found if dense is None else np.add(dense, found, out=dense)
    dense = np.zeros(size, np.int64) if dense is None else dense
    keys, fine = np.flatnonzero(counts[TOTAL]), np.flatnonzero(dense)
    return grid.table(operations, (keys, np.ascontiguousarray(counts[:, keys].T)), (fine, dense[fine]))


def _sparse(samples: Samples, grid: _Grid, operations: tuple[str, ...]) -> Table:
    """Count by sorting, for too many operations or blocks for one array."""
    cell = grid.cell_of(samples)
    keys, place = np.unique(cell, return_inverse=True)
    columns = [np.bincount(place if mask is None else place[mask], minlength=len(keys)) for mask in _classes(samples)]
    inside = keys < grid.cells
    fine, fine_counts = np.unique(_fine(samples, cell, grid), return_counts=True)
    counts = np.stack(columns, axis=1)[inside].astype(np.int64)
    return grid.table(operations, (keys[inside], counts), (fine, fine_counts.astype(np.int64)))


def _classes(samples: Samples) -> tuple[NDArray[np.bool_] | None, ...]:
    """Return a mask of the samples that each column of ``COUNTS`` counts; None means all of them."""
    no_answer = samples.status == 0
    server_error = (samples.status >= 500) & ~no_answer
    return None, no_answer, server_error, (samples.error > 0) & ~no_answer & ~server_error


def _fine(samples: Samples, cell: Ints, grid: _Grid) -> Ints:
    """Return the number of the bin in its cell for each latency that counts."""
    used = ~samples.failed & (cell < grid.cells)
    bins = bins_of(samples.latency_s)
    bins += cell * grid.bins - grid.first_bin
    return bins if used.all() else bins[used]


def merged(tables: Sequence[Table]) -> Table:
    """Return the sum of tables with equal blocks; phases and operations are matched by name.

    Raises ValueError when the blocks differ, or when no table is given.
    """
    if not tables or len({table.block_s for table in tables}) != 1:
        raise ValueError("expected at least one table, and blocks of equal width in all of them")
    names = tuple(dict.fromkeys(name for table in tables for name in table.phases))
    operations = tuple(sorted({name for table in tables for name in table.operations}))
    cells = np.concatenate([_renamed(table, names, operations) for table in tables])
    unique, index = np.unique(cells, axis=0, return_inverse=True)
    index = index.reshape(-1)
    counts = np.zeros((len(unique), len(COUNTS)), np.int64)
    np.add.at(counts, index, np.concatenate([table.counts for table in tables]))
    starts = np.cumsum([0, *(len(table.cells) for table in tables)])
    bin_cells = [index[table.bin_cells + start] for table, start in zip(tables, starts, strict=False)]
    fine = np.concatenate(bin_cells) * BINS + np.concatenate([table.bin_numbers for table in tables])
    keys, inverse = np.unique(fine, return_inverse=True)
    bin_counts = np.zeros(len(keys), np.int64)
    np.add.at(bin_counts, inverse, np.concatenate([table.bin_counts for table in tables]))
    return Table(
        block_s=tables[0].block_s,
        phases=names,
        operations=operations,
        cells=unique,
        counts=counts,
        bin_cells=keys // BINS,
        bin_numbers=keys % BINS,
        bin_counts=bin_counts,
    )


def _check(samples: Samples) -> None:
    for name in ("due_s", "latency_s"):
        column = getattr(samples, name)
        if not len(column) or (column.min() >= 0 and column.max() < np.inf):
            continue
        row = int(np.argmax(~(np.isfinite(column) & (column >= 0))))
        raise JudgeInputError(
            f"samples: {name}: row {row + 1}: expected finite seconds of at least 0, found {float(column[row])}"
        )


def _phase_of(due_s: NDArray[np.float64], phases: Sequence[Phase]) -> Ints:
    """Return the number of the phase that each request was due in, or -1."""
    starts = np.array([phase.start_s for phase in phases])
    ends = np.array([phase.end_s for phase in phases])
    if len(phases) == 1:
        return np.where((due_s >= starts[0]) & (due_s < ends[0]), 0, -1)
    number = np.searchsorted(starts, due_s, side="right") - 1
    number[(number < 0) | (due_s >= ends[number])] = -1
    return number


def _renamed(table: Table, names: tuple[str, ...], operations: tuple[str, ...]) -> Ints:
    cells = table.cells.copy()
    for column, old, new in ((0, table.phases, names), (2, table.operations, operations)):
        places = np.array([new.index(name) for name in old], np.int64)
        if len(places):
            cells[:, column] = places[cells[:, column]]
    return cells


def _empty(block_s: float, phases: tuple[str, ...], operations: tuple[str, ...]) -> Table:
    none = np.empty(0, np.int64)
    return Table(
        block_s=block_s,
        phases=phases,
        operations=operations,
        cells=np.empty((0, 4), np.int64),
        counts=np.empty((0, len(COUNTS)), np.int64),
        bin_cells=none,
        bin_numbers=none,
        bin_counts=none,
    )
