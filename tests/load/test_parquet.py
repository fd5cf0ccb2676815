"""Writing and reading samples as Parquet files."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from harness.clients.parquet import read_samples, write_samples
from harness.errors import RecordError
from harness.model.samples import BASELINE, CANARY, COLUMNS, UNKNOWN_ARM, Samples, no_samples


def some_samples() -> Samples:
    """Return three samples: out of order, of all arms, one with an error."""
    return Samples(
        due_s=np.array([0.0, 2.0, 1.0]),
        latency_s=np.array([0.1, 0.3, 0.2]),
        late_s=np.array([0.01, 0.03, 0.02]),
        status=np.array([200, 0, 503], np.int16),
        arm=np.array([BASELINE, UNKNOWN_ARM, CANARY], np.int8),
        operation=np.array([1, 0, 1], np.int16),
        error=np.array([0, 1, 0], np.int16),
        size=np.array([10, 0, 20], np.int32),
        operations=("/cart", "/reviews"),
        errors=("", "refused"),
    )


def test_read_samples_equal_the_written_ones_sorted_by_due_time(tmp_path):
    """Every column with its type, the names, and the arms survive the file."""
    path, samples = tmp_path / "samples.parquet", some_samples()
    write_samples(path, samples)
    back = read_samples(path)
    order = [0, 2, 1]
    for name in COLUMNS:
        assert getattr(back, name).tolist() == getattr(samples, name)[order].tolist()
        assert getattr(back, name).dtype == getattr(samples, name).dtype
    assert (back.operations, back.errors) == (samples.operations, samples.errors)
    assert [path] == list(tmp_path.iterdir())


def test_other_tools_can_read_the_file(tmp_path):
    """Arms, operations and errors are stored as text."""
    path = tmp_path / "samples.parquet"
    write_samples(path, some_samples())
    rows = pq.read_table(path).to_pylist()
    assert [row["arm"] for row in rows] == ["baseline", "canary", "unknown"]
    assert [row["operation"] for row in rows] == ["/reviews", "/reviews", "/cart"]
    assert [row["error"] for row in rows] == ["", "", "refused"]


def test_a_run_without_requests_has_a_file_too(tmp_path):
    """The table has no rows."""
    path = tmp_path / "samples.parquet"
    write_samples(path, no_samples())
    assert len(read_samples(path)) == 0


def test_a_truncated_file_is_rejected(tmp_path):
    """A file without its end is rejected, whatever its name."""
    path = tmp_path / "samples.parquet"
    write_samples(path, some_samples())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RecordError, match="expected samples as Parquet"):
        read_samples(path)


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path):
    """Nothing is left behind when the file cannot be written."""
    with pytest.raises(RecordError, match="cannot write the samples"):
        write_samples(tmp_path / "missing" / "samples.parquet", some_samples())
