"""Requests reduced to counts that add up: by phase, block of time, operation and arm.

A table's size depends on the run's length and the number of operations, not on the number of
requests. Tables of several workers, or of one run read in pieces, are merged by adding counts, in
any order, with the same result. Latencies are those of requests without an error, in one-per-cent
logarithmic bins (see ``histogram``); errors are counted by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.model.phase import Phase
from harness.model.samples import BASELINE, CANARY, Samples
from harness.stats.histogram import BINS, bins_of

TOTAL, NO_ANSWER, SERVER_ERROR, CLIENT_CHECK = range(4)
COUNTS = ("total", "no answer", "status 5xx", "refused by the load profile")
_ARMS = 3  # baseline, canary, unknown
_DENSE_LIMIT = 1 << 25

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Counts of requests; build one with ``reduce_samples`` and add tables with ``merged``.

    block_s: width of a block in seconds; block k covers [k, k + 1) times this width of the run.
    phases, operations: names that the columns of ``cells`` index.
    cells: shape (c, 4), sorted and unique: phase, block, operation, arm (2 is an unknown arm).
    counts: shape (c, 4), by ``COUNTS``; the classes of errors are disjoint.
    bin_cells, bin_numbers, bin_counts: shape (e,): how many latencies fell into a bin of a cell.
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
        """Requests of an arm in all phases."""
        return int(self.counts[self.cells[:, 3] == arm % _ARMS, TOTAL].sum())


def reduce_samples(samples: Samples, phases: Sequence[Phase], *, block_s: float) -> Table:
    """The table of all samples that were due inside one of ``phases``.

    Phases must not overlap; samples between them are left out. Raises JudgeInputError for due
    times or latencies that are NaN, infinite or negative, naming the row.
    """
    _check(samples)
    ordered = sorted(phases, key=lambda phase: (phase.start_s, phase.name))
    names = tuple(phase.name for phase in ordered)
    operations = samples.operations or ("",)
    phase = _phase_of(samples.due_s, ordered)
    inside = phase >= 0
    if not inside.all():
        samples, phase = samples.where(inside), phase[inside]
    if not len(samples):
        return _empty(block_s, names, operations)
    blocks = np.floor(samples.due_s * (1 / block_s)).astype(np.int64)
    first, width = int(blocks.min()), int(blocks.max() - blocks.min()) + 1
    key = (phase * width + (blocks - first)) * len(operations) + np.clip(samples.operation, 0, len(operations) - 1)
    key *= _ARMS
    key += np.where((samples.arm == BASELINE) | (samples.arm == CANARY), samples.arm, _ARMS - 1)
    keys, counts = _count_cells(key, samples, len(ordered) * width * len(operations) * _ARMS)
    fine, fine_counts = _count_bins(key, samples, len(ordered) * width * len(operations) * _ARMS)
    rest, arms = np.divmod(keys, _ARMS)
    rest, operation = np.divmod(rest, len(operations))
    phase_number, block = np.divmod(rest, width)
    return Table(
        block_s=block_s,
        phases=names,
        operations=operations,
        cells=np.stack([phase_number, block + first, operation, arms], axis=1),
        counts=counts,
        bin_cells=np.searchsorted(keys, fine // BINS),
        bin_numbers=fine % BINS,
        bin_counts=fine_counts,
    )


def merged(tables: Sequence[Table]) -> Table:
    """The sum of tables with equal blocks; phases and operations are matched by name.

    Raises ValueError when the blocks differ or nothing is given.
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
        wrong = ~(np.isfinite(column) & (column >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise JudgeInputError(
                f"samples: {name}: row {row + 1}: expected finite seconds of at least 0, found {column[row]!r}"
            )


def _phase_of(due_s: NDArray[np.float64], phases: Sequence[Phase]) -> Ints:
    """Number of the phase each request was due in, or -1."""
    if not phases:
        return np.full(len(due_s), -1, np.int64)
    starts = np.array([phase.start_s for phase in phases])
    ends = np.array([phase.end_s for phase in phases])
    number = np.searchsorted(starts, due_s, side="right") - 1
    outside = (number < 0) | (due_s >= ends[number])
    number[outside] = -1
    return number


def _count_cells(key: Ints, samples: Samples, size: int) -> tuple[Ints, Ints]:
    no_answer = samples.status == 0
    server_error = (samples.status >= 500) & ~no_answer
    checked = (samples.error > 0) & ~no_answer & ~server_error
    if size <= _DENSE_LIMIT:
        total = np.bincount(key, minlength=size)
        keys = np.flatnonzero(total)
        columns = [np.bincount(key[mask], minlength=size)[keys] for mask in (no_answer, server_error, checked)]
        return keys, np.stack([total[keys], *columns], axis=1)
    keys, inverse = np.unique(key, return_inverse=True)
    columns = [np.bincount(inverse[mask], minlength=len(keys)) for mask in (no_answer, server_error, checked)]
    return keys, np.stack([np.bincount(inverse, minlength=len(keys)), *columns], axis=1)


def _count_bins(key: Ints, samples: Samples, size: int) -> tuple[Ints, Ints]:
    answered = ~samples.failed
    bins = bins_of(samples.latency_s)
    if not answered.all():
        key, bins = key[answered], bins[answered]
    if not len(key):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    low, high = int(bins.min()), int(bins.max())
    span = high - low + 1
    fine = key * span + (bins - low)
    if size * span <= _DENSE_LIMIT:
        dense = np.bincount(fine)
        keys = np.flatnonzero(dense)
        counts = dense[keys]
    else:
        keys, counts = np.unique(fine, return_counts=True)
    return (keys // span) * BINS + keys % span + low, counts.astype(np.int64)


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
