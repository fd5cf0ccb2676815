"""Find reasons against a pass when every objective was met: a silent arm, or latencies out of range.

A request that was never made has no latency and no error. If one arm continues and the other one stops, the missing
requests may be the worst ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import ARMS
from harness.model.units import format_duration, format_percent
from harness.stats.histogram import BINS
from harness.stats.table import TOTAL, Table

ENOUGH_EXPECTED = 20.0
"""Requests expected in a silent stretch: the probability of no request by chance is then e**-20."""
SILENT_SHARE = 0.1
OUT_OF_RANGE_SHARE = 0.01

Floats = NDArray[np.float64]


def doubts(table: Table) -> tuple[str, ...]:
    """Return the reasons why these requests cannot end in a pass; usually there are none."""
    return (*_silences(table), *_out_of_range(table))


def _silences(table: Table) -> Iterator[str]:
    for number, phase in enumerate(table.phases):
        rates = _by_block(table, number)
        if rates is None:
            continue
        for arm, name in enumerate(ARMS):
            silent = silent_blocks(rates[arm], rates[1 - arm])
            if silent > SILENT_SHARE * rates.shape[1]:
                yield (
                    f"the {name} made no request in {format_duration(silent * table.block_s)} of the "
                    f"{format_duration(rates.shape[1] * table.block_s)} of the {phase} phase, while the other "
                    "arm went on: "
                    "find out why, then measure again"
                )


def silent_blocks(own: Floats, other: Floats) -> int:
    """Count the blocks of stretches without requests in ``own`` (by block, shape (k,)) where ``other`` implies many."""
    going = own > 0
    if not going.any() or not other[going].sum():
        return 0
    expected = other * (own[going].sum() / other[going].sum())
    edges = np.flatnonzero(np.diff(np.concatenate(([False], ~going, [False])).astype(np.int8)))
    stretches = zip(edges[::2], edges[1::2], strict=True)
    return sum(int(end - start) for start, end in stretches if expected[start:end].sum() >= ENOUGH_EXPECTED)


def _by_block(table: Table, phase: int) -> Floats | None:
    """Return requests by block of a phase (shape (2, k)), or None if one arm has none at all."""
    own = (table.cells[:, 0] == phase) & (table.cells[:, 3] < len(ARMS))
    blocks, arms, totals = table.cells[own, 1], table.cells[own, 3], table.counts[own, TOTAL]
    if not all((arms == arm).any() for arm in range(len(ARMS))):
        return None
    first = int(blocks.min())
    length = int(blocks.max()) - first + 1
    seen = np.bincount(arms * length + (blocks - first), totals, len(ARMS) * length)
    return seen.astype(np.float64, copy=False).reshape(len(ARMS), length)


def _out_of_range(table: Table) -> Iterator[str]:
    if not len(table.bin_numbers) or (table.bin_numbers.min() > 0 and table.bin_numbers.max() < BINS - 1):
        return
    total = int(table.bin_counts.sum())
    outside = int(table.bin_counts[(table.bin_numbers == 0) | (table.bin_numbers == BINS - 1)].sum())
    if outside > OUT_OF_RANGE_SHARE * total:
        yield (
            f"{format_percent(outside / total)} of the latencies are under a microsecond or over a day, "
            "so they cannot be compared: are they in seconds?"
        )
