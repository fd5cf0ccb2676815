"""Requests of one arm from a Parquet or CSV file of any load generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from harness.errors import JudgeInputError

NUMBERS = ("time_s", "latency_s", "status")
TEXTS = ("endpoint", "phase", "instance")


def read_requests(path: Path) -> dict[str, NDArray[Any]]:
    """The columns ``time_s``, ``latency_s``, ``status`` and, where present, ``endpoint``, ``phase``, ``instance``.

    Other columns are ignored. Raises JudgeInputError that names file, column and row (from 1, the
    header not counted) for a file that is missing, cut, lacks a column or holds something else than
    finite numbers.
    """
    table = _table(path)
    missing = [name for name in NUMBERS if name not in table.column_names]
    if missing:
        raise JudgeInputError(
            f"{path}: expected the columns {', '.join(NUMBERS)}, found no {', '.join(missing)} "
            f"(columns: {', '.join(table.column_names) or 'none'})"
        )
    columns = {name: _numbers(table.column(name), path, name) for name in NUMBERS}
    for name in TEXTS:
        if name in table.column_names:
            values = table.column(name).cast(pa.string()).fill_null("")
            columns[name] = np.asarray(values.to_pylist(), dtype=str)
    return columns


def _table(path: Path) -> Any:
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pq.read_table(path)
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(TEXTS, pa.string()))
        return csv.read_csv(path, convert_options=as_text)
    except FileNotFoundError as error:
        raise JudgeInputError(f"{path}: no such file") from error
    except (OSError, pa.ArrowException) as error:
        kind = "Parquet" if path.suffix.lower() in {".parquet", ".pq"} else "CSV with a header"
        raise JudgeInputError(f"{path}: expected {kind}, found something else: {error}") from error


def _numbers(column: Any, path: Path, name: str) -> NDArray[np.float64]:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
        _finite(numbers, path, name)
        return numbers
    if pa.types.is_null(column.type) and not len(column):
        return np.empty(0)
    values = column.to_pylist()
    for row, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            shown = "nothing" if value is None else repr(value)
            raise JudgeInputError(f"{path}: column {name}: row {row + 1}: expected a number, found {shown}") from None
    numbers = np.array([float(value) for value in values])
    _finite(numbers, path, name)
    return numbers


def _finite(numbers: NDArray[np.float64], path: Path, name: str) -> None:
    wrong = ~np.isfinite(numbers) if name == "time_s" else ~(np.isfinite(numbers) & (numbers >= 0))
    if name == "status":
        wrong |= (numbers != np.floor(numbers)) | (numbers > 999)
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = {"time_s": "finite seconds", "status": "an HTTP status, or 0 for no answer"}.get(
            name, "finite seconds of at least 0"
        )
        raise JudgeInputError(f"{path}: column {name}: row {row + 1}: expected {expected}, found {numbers[row]:g}")
