"""Write samples to Parquet files, which pandas, DuckDB and spreadsheets can read without the harness, and read them.

pyarrow has no types, so its columns are Any here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.errors import RecordError
from harness.model.samples import ARMS, COLUMNS, DTYPES, Samples

_ARM_NAMES = (*ARMS, "unknown")
_TEXTS = ("arm", "operation", "error")
_MOST_NAMES = 2**15 - 1
"""As many as 16 bits count."""
_LONGEST_S = 1e8
"""Three years: no run and no answer takes longer."""


def write_samples(path: Path, samples: Samples) -> None:
    """Write one row per request, sorted by due time, with arm, operation and error as text.

    The write is atomic: the file is complete or absent. Raises RecordError if it cannot be written.
    """
    order = np.argsort(samples.due_s, kind="stable")
    columns: dict[str, Any] = {name: getattr(samples, name)[order] for name in COLUMNS if name not in _TEXTS}
    columns["arm"] = _texts(samples.arm[order] % len(_ARM_NAMES), _ARM_NAMES)
    columns["operation"] = _texts(samples.operation[order], samples.operations)
    columns["error"] = _texts(samples.error[order], samples.errors)
    part = path.with_name(path.name + ".part")
    try:
        pq.write_table(pa.table({name: columns[name] for name in COLUMNS}), part, compression="zstd")
        with part.open("rb") as whole:
            os.fsync(whole.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise RecordError(f"{path}: cannot write the samples: {error.strerror or error}") from error


def read_samples(path: Path) -> Samples:
    """Read a file that ``write_samples`` wrote. Raises RecordError if it is missing, truncated or something else."""
    try:
        return _read(path)
    except (OSError, pa.ArrowException, LookupError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise RecordError(f"{path}: expected samples as Parquet, found something else: {error}") from error


def _read(path: Path) -> Samples:
    table = pq.read_table(path)
    columns = {name: table.column(name).combine_chunks() for name in COLUMNS}
    missing = [name for name, column in columns.items() if column.null_count]
    if missing:
        raise RecordError(f"{path}: column {missing[0]}: expected a value in every row, found none in some")
    numeric: dict[str, NDArray[Any]] = {
        name: column.cast(pa.from_numpy_dtype(DTYPES[name])).to_numpy()
        for name, column in columns.items()
        if name not in _TEXTS
    }
    for name in ("due_s", "latency_s", "late_s"):
        if not (np.abs(numeric[name]) <= _LONGEST_S).all():  # also false for NaN
            raise RecordError(
                f"{path}: column {name}: expected seconds up to {_LONGEST_S:g}, found others in some rows"
            )
    arm = _indices(columns["arm"], list(_ARM_NAMES), path)[0]
    arm[arm == len(ARMS)] = -1
    operation, operations = _indices(columns["operation"], [], path)
    error_, errors = _indices(columns["error"], [""], path)
    return Samples(
        **numeric,
        arm=arm.astype(DTYPES["arm"]),
        operation=operation,
        error=error_,
        operations=operations,
        errors=errors,
    )


def _texts(indices: NDArray[np.integer[Any]], names: tuple[str, ...]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32)), pa.array(names, pa.string()))


def _indices(column: Any, known: list[str], path: Path) -> tuple[NDArray[np.int16], tuple[str, ...]]:
    """Return each row's index into the names, and the names: first ``known``, then the others in the file."""
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    found = column.dictionary.cast(pa.string()).to_pylist()
    names = list(dict.fromkeys([*known, *found]))
    if None in names or len(names) > _MOST_NAMES:
        raise RecordError(f"{path}: expected at most {_MOST_NAMES} different names, found {len(names)}")
    if known and len(known) > 1 and len(names) > len(known):
        raise RecordError(f"{path}: expected arms {', '.join(known)}, found {', '.join(names[len(known) :])}")
    positions = {name: position for position, name in enumerate(names)}
    numbers = np.array([positions[name] for name in found] or [0], np.int16)
    return numbers[column.indices.to_numpy()], tuple(names)
