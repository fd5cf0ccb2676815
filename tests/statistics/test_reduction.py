"""Reducing requests to tables loses nothing; tables add up, and bins are one per cent wide."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import JudgeInputError
from harness.model import samples as samples_module
from harness.model.phase import Phase, PhaseKind
from harness.model.samples import DTYPES, Samples
from harness.stats import table as tables
from harness.stats.histogram import bins_of, latency_at, position_of
from harness.stats.responses import status_counts
from harness.stats.table import merged, reduce_samples
from harness.stats.tally import tally
from harness.stats.window import window_of

PHASES = (
    Phase(name="steady", kind=PhaseKind.STEADY, start_s=1.0, end_s=4.25),
    Phase(name="fault", kind=PhaseKind.FAULT, start_s=4.5, end_s=8.0),
)


def some_samples(count=4000, seed=1):
    """Samples of every kind over nine seconds."""
    rng = np.random.default_rng(seed)
    columns = {name: np.zeros(count, dtype) for name, dtype in DTYPES.items()}
    columns |= {
        "due_s": rng.uniform(0, 9, count),
        "latency_s": np.exp(rng.normal(-3, 1, count)),
        "status": rng.choice([200, 404, 503, 0], count).astype(np.int16),
        "arm": rng.choice([0, 1, -1], count).astype(np.int8),
        "operation": rng.integers(0, 3, count).astype(np.int16),
        "error": rng.choice([0, 0, 1], count).astype(np.int16),
    }
    return Samples(**columns, operations=("a", "b", "c"), errors=("", "wrong body"))


def as_rows(table):
    """A table as plain values, in order."""
    bins = zip(table.bin_cells.tolist(), table.bin_numbers.tolist(), table.bin_counts.tolist(), strict=True)
    return table.cells.tolist(), table.counts.tolist(), list(bins)


def test_counts_equal_those_of_the_samples():
    """Requests, errors and latencies of each phase, arm and operation are those of the samples due in it."""
    samples = some_samples()
    table = reduce_samples(samples, PHASES, block_s=0.5)
    for phase in PHASES:
        for operation, name in enumerate(samples.operations):
            window = window_of(table, phase.name, operation=name)
            for arm in (0, 1):
                mine = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s) & (samples.arm == arm)
                mine &= samples.operation == operation
                expected = [mine.sum(), (mine & samples.failed).sum(), (mine & ~samples.failed).sum()]
                found = [window.requests[arm].sum(), window.failed[arm].sum(), window.latencies.counts[arm].sum()]
                assert found == expected


@pytest.mark.parametrize("pieces", [2, 7])
def test_tables_of_pieces_add_up_to_the_whole(pieces):
    """Reducing in pieces, in any order, and adding gives the table of all samples."""
    samples = some_samples()
    whole = reduce_samples(samples, PHASES, block_s=0.5)
    part = np.arange(len(samples)) % pieces
    parts = [reduce_samples(samples.where(part == number), PHASES, block_s=0.5) for number in reversed(range(pieces))]
    assert as_rows(merged(parts)) == as_rows(whole)


def test_many_cells_give_the_same_table_as_few(monkeypatch):
    """Counting by sorting, for runs with too many cells for one array, gives the same table."""
    samples = some_samples()
    dense = reduce_samples(samples, PHASES, block_s=0.5)
    monkeypatch.setattr(tables, "_DENSE_LIMIT", 0)
    monkeypatch.setattr(samples_module, "_PART", 1000)
    assert as_rows(reduce_samples(samples, PHASES, block_s=0.5)) == as_rows(dense)


def test_a_quantile_is_found_within_one_per_cent():
    """Latencies from a microsecond to hours fall into bins whose edges are within one per cent of them."""
    latency = np.geomspace(2e-6, 4e4, 1000)
    edges = np.array([latency_at(number) for number in bins_of(latency)])
    assert ((latency / edges >= 1 - 1e-9) & (latency / edges < 1.01 + 1e-9)).all()
    assert [position_of(latency_at(place)) for place in (0.0, 17.25)] == pytest.approx([0.0, 17.25], abs=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("column", ["due_s", "latency_s"])
def test_invalid_numbers_are_refused(column, value):
    """NaN, infinite or negative times are an error that names the column and the row."""
    samples = some_samples(10)
    getattr(samples, column)[6] = value
    with pytest.raises(JudgeInputError, match=rf"{column}: row 7"):
        reduce_samples(samples, PHASES, block_s=0.5)


def test_no_samples_make_an_empty_table():
    """Without requests inside a phase the table has no cells."""
    samples = some_samples()
    assert as_rows(reduce_samples(samples.where(samples.due_s < 0), PHASES, block_s=1.0)) == ([], [], [])


@pytest.mark.parametrize("usual", [0, 3])
def test_numbers_are_counted_in_the_chosen_rows_only(usual):
    """A tally is that of the chosen rows, whether or not the first number is chosen, or frequent."""
    values = np.array([usual, 3, 0, 0, 1, 3, 3], np.int16)
    rows = np.array([False, True, True, False, True, True, False])
    assert tally(values, rows, 5).tolist() == [1, 1, 0, 2, 0]
    assert tally(values[:0], rows[:0], 2).tolist() == [0, 0]


def test_parts_of_samples_are_all_samples_in_order():
    """The parts that long runs are worked on in hold every request once, in order and without a copy."""
    samples = some_samples(count=600_000)
    parts = list(samples.parts())
    assert [len(part) > 0 for part in parts] == [True] * 3
    assert np.concatenate([part.due_s for part in parts]).tolist() == samples.due_s.tolist()
    assert all(np.shares_memory(part.latency_s, samples.latency_s) for part in parts)


def test_statuses_are_counted_by_arm_in_several_spans():
    """Statuses are counted for requests of known arms in any of the spans; unusual ones count as the nearest."""
    samples = some_samples(count=300_000)
    samples.status[:3] = (-1, 1200, 302)
    spans_s = ((1.0, 4.25), (4.5, 8.0))
    inside = (samples.due_s >= 1.0) & (samples.due_s < 8.0) & ~((samples.due_s >= 4.25) & (samples.due_s < 4.5))
    expected = [
        np.bincount(samples.status.clip(0, 999)[inside & (samples.arm == arm)], minlength=1000) for arm in (0, 1)
    ]
    assert status_counts(samples, spans_s).tolist() == np.array(expected).tolist()
