"""Increases of counters over aligned blocks of time: pure functions of readings at equal distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Readings = Mapping[tuple[str, ...], Floats]
"""The readings of each instance (its labels) at the same instants, shape (n,); NaN where there is none."""


def increase(readings: Floats) -> Floats:
    """Return the growth of a counter between its readings (shape (n,)), shape (n - 1,).

    After a reset a counter begins at zero, so its reading is the growth. NaN next to a gap: what happened in it is not
    known to belong to a block.
    """
    growth = np.diff(readings)
    return np.where(growth < 0, readings[1:], growth)


def summed(readings: Readings, *, among: Readings | None = None, blocks: int) -> Floats:
    """Return the growth of all instances together by block, shape (blocks,); NaN where no instance has readings.

    among: the counter of which this one counts a part. Where that has readings and this one has none, nothing has been
    counted yet: a proxy shows a status from the first request on that has it.
    """
    rows = []
    nothing = np.full(blocks + 1, np.nan)
    for key in {**readings, **(among or {})}:
        own, whole = readings.get(key, nothing), (among or {}).get(key, nothing)
        rows.append(increase(np.where(np.isnan(own) & np.isfinite(whole), 0.0, own)))
    return total(rows, blocks)


def total(rows: Sequence[Floats], blocks: int) -> Floats:
    """Return the sum of rows, ignoring NaN; NaN where all of them are."""
    if not rows:
        return np.full(blocks, np.nan)
    stacked = np.stack(rows)
    known = np.isfinite(stacked)
    return np.where(known.any(axis=0), np.where(known, stacked, 0.0).sum(axis=0), np.nan)


def averaged(rows: Sequence[Floats], blocks: int) -> Floats:
    """Return the mean of the rows that have a value, by block."""
    if not rows:
        return np.full(blocks, np.nan)
    known = np.isfinite(np.stack(rows)).sum(axis=0)
    return total(rows, blocks) / np.where(known > 0, known, 1)


def in_step(at_s: Sequence[float], values: Sequence[float], instants: Floats) -> Floats:
    """Return the values at some instants (shape (n,)); NaN where there is none within a hundredth of a step."""
    found = np.full(len(instants), np.nan)
    if not len(at_s) or not len(instants):
        return found
    step = float(instants[1] - instants[0]) if len(instants) > 1 else 1.0
    place = np.rint((np.asarray(at_s) - instants[0]) / step).astype(np.int64)
    inside = (place >= 0) & (place < len(instants))
    inside &= np.abs(np.asarray(at_s) - instants[0] - place * step) <= 0.01 * step
    found[place[inside]] = np.asarray(values, np.float64)[inside]
    return np.where(np.isfinite(found), found, np.nan)
