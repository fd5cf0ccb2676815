"""Reduce Prometheus counters and histograms of both arms to the same table as single requests.

Running totals become counts between two scrapes. The requests of a bucket are counted at its upper edge and never
spread inside it, because only the edge is known. Comparing both arms above the same edge is therefore exact for any
buckets. Quantiles read from such a table are upper edges, and a judge cannot resolve tolerances more finely than the
buckets (``coarseness``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.model.phase import Phase
from harness.stats.histogram import BINS, bins_of
from harness.stats.table import COUNTS, SERVER_ERROR, TOTAL, Table, merged

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrapes:
    """The scrapes of one arm.

    arm: the number of the arm. at_s: seconds since the first due request, shape (t,), increasing. requests, errors:
    running totals, shape (t,); NaN marks a scrape that failed. edges_s: upper edges of the buckets in seconds, shape
    (k,), increasing; the last one may be infinite. For a native histogram, the edges of its buckets.
    buckets: running totals, at or below each edge (``le``), of the requests that count for latency, shape (t, k).
    """

    arm: int
    at_s: Floats
    requests: Floats
    errors: Floats
    edges_s: Floats
    buckets: Floats

    def __post_init__(self) -> None:
        times, edges = len(self.at_s), len(self.edges_s)
        shapes = (self.requests.shape, self.errors.shape, self.buckets.shape)
        if shapes != ((times,), (times,), (times, edges)):
            raise JudgeInputError(
                f"scrapes: expected {times} totals and {times} rows of {edges} buckets, found shapes {shapes}"
            )
        if (np.diff(self.at_s) <= 0).any() or (np.diff(self.edges_s) <= 0).any():
            raise JudgeInputError("scrapes: expected increasing times and edges, found some that do not increase")


def reduce_scrapes(
    scrapes: Sequence[Scrapes], phases: Sequence[Phase], *, block_s: float, operation: str = ""
) -> Table:
    """Return the table of all scrapes; the interval between two scrapes counts in the block of its midpoint.

    Intervals that do not lie inside one phase are left out, and so are those with a failed scrape at either end. A
    total that falls means that the counter restarted: its value since then is counted. ``block_s``, the width of a
    block in seconds, should be at least the time between two scrapes.
    """
    return merged(
        [_empty_table(phases, operation, block_s), *(_table(arm, phases, block_s, operation) for arm in scrapes)]
    )


def coarseness(edges_s: Floats, latency_s: float) -> float:
    """Return the width of the bucket around a latency in seconds, as a share of the bucket's lower edge.

    edges_s: upper edges in seconds, shape (k,). The first and the last bucket are infinitely wide.
    """
    place = int(np.searchsorted(edges_s, latency_s * (1 - 1e-9)))
    if place == 0 or place >= len(edges_s) or not math.isfinite(edges_s[place]):
        return math.inf
    return float(edges_s[place] / edges_s[place - 1] - 1)


def _table(scrapes: Scrapes, phases: Sequence[Phase], block_s: float, operation: str) -> Table:
    cells: dict[tuple[int, int], list[int]] = {}
    bins: dict[tuple[int, int, int], int] = {}
    places = _bin_numbers(scrapes.edges_s)
    totals = np.column_stack([scrapes.requests, scrapes.errors, scrapes.buckets])
    for before, after in zip(range(len(totals) - 1), range(1, len(totals)), strict=True):
        phase = _phase_of(phases, float(scrapes.at_s[before]), float(scrapes.at_s[after]))
        if phase is None or not np.isfinite(totals[[before, after]]).all():
            continue
        grown = _growth(totals[before], totals[after])
        block = int((scrapes.at_s[before] + scrapes.at_s[after]) / 2 // block_s)
        counts = cells.setdefault((phase, block), [0] * len(COUNTS))
        counts[TOTAL] += grown[0]
        counts[SERVER_ERROR] += grown[1]
        for place, count in zip(places, np.diff(grown[2:], prepend=0).tolist(), strict=True):
            if count > 0:
                bins[phase, block, place] = bins.get((phase, block, place), 0) + count
    table = _as_table(scrapes.arm, phases, block_s, operation, cells=cells, bins=bins)
    return replace(table, edges_s=tuple(scrapes.edges_s.tolist()))


def _growth(before: Floats, after: Floats) -> list[int]:
    restarted = bool((after < before).any())
    return [round(float(value)) for value in (after if restarted else after - before)]


def _phase_of(phases: Sequence[Phase], start_s: float, end_s: float) -> int | None:
    inside = (index for index, phase in enumerate(phases) if phase.start_s <= start_s and end_s <= phase.end_s)
    return next(inside, None)


def _bin_numbers(edges_s: Floats) -> list[int]:
    """Return the bin just below each upper edge; requests above the last finite edge go to the next bin."""
    finite = edges_s[np.isfinite(edges_s)]
    numbers = [int(number) for number in bins_of(finite * (1 - 1e-9))]
    last = numbers[-1] if numbers else 0
    return [*numbers, *([min(last + 1, BINS - 1)] * (len(edges_s) - len(finite)))]


def _as_table(
    arm: int,
    phases: Sequence[Phase],
    block_s: float,
    operation: str,
    *,
    cells: dict[tuple[int, int], list[int]],
    bins: dict[tuple[int, int, int], int],
) -> Table:
    keys = sorted(cells)
    number = {key: index for index, key in enumerate(keys)}
    fine = sorted(bins)
    return Table(
        block_s=block_s,
        phases=tuple(phase.name for phase in phases),
        operations=(operation,),
        cells=np.array([(phase, block, 0, arm) for phase, block in keys], np.int64).reshape(-1, 4),
        counts=np.array([cells[key] for key in keys], np.int64).reshape(-1, len(COUNTS)),
        bin_cells=np.array([number[phase, block] for phase, block, _ in fine], np.int64),
        bin_numbers=np.array([place for _, _, place in fine], np.int64),
        bin_counts=np.array([bins[key] for key in fine], np.int64),
    )


def _empty_table(phases: Sequence[Phase], operation: str, block_s: float) -> Table:
    return _as_table(0, phases, block_s, operation, cells={}, bins={})
