"""Read the requests of one arm from a Parquet or CSV file that any load generator wrote.

pyarrow has no types, so its tables, columns and values are Any here.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from harness.errors import JudgeInputError
from harness.printable import shown

_MOST_CHARACTERS = 2**28
"""About 1 GiB of text in numpy, for the texts of one column."""
NUMBERS = ("time_s", "latency_s", "status")
TEXTS = ("endpoint", "phase", "instance")
_PARQUET = frozenset({".parquet", ".pq"})
_EXPECTED = {
    "time_s": "finite seconds",
    "latency_s": "finite seconds of at least 0",
    "status": "an HTTP status from 100 to 999, or 0 for no answer",
}
_ENCODINGS = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"), (b"\x1f\x8b", "a gzip archive"))
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_requests(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns ``time_s``, ``latency_s``, ``status`` and, if present, ``endpoint``, ``phase``, ``instance``.

    Other columns are ignored. Raises JudgeInputError, with file, column and row (counted from 1 after the header), if
    the file is missing or truncated, lacks a column, or contains anything but finite numbers.
    """
    table = _parquet(path) if path.suffix.lower() in _PARQUET else _csv(path)
    columns = {name: _numbers(table.column(name), path, name) for name in NUMBERS}
    return columns | {name: _texts(table.column(name), path, name) for name in TEXTS if name in table.column_names}


def _parquet(path: Path) -> Any:
    try:
        with pq.ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, path)
            return file.read([name for name in (*NUMBERS, *TEXTS) if name in file.schema_arrow.names])
    except FileNotFoundError as error:
        raise JudgeInputError(f"{path}: no such file") from error
    except (OSError, pa.ArrowException, LookupError, ValueError) as error:
        raise JudgeInputError(f"{path}: expected Parquet, found something else: {error}") from error


def _csv(path: Path) -> Any:
    header = _header(path)
    _check_names(header, path)
    try:
        return _read_csv(path, header, csv.ParseOptions(), threads=True)
    except (OSError, pa.ArrowException) as error:
        wrong = _ragged(path, header) or f"expected CSV with a header, found something else: {error}"
        raise JudgeInputError(f"{path}: {wrong}") from error


def _read_csv(path: Path, header: Sequence[str], parsing: csv.ParseOptions, *, threads: bool) -> Any:
    converting = csv.ConvertOptions(
        column_types=dict.fromkeys(TEXTS, pa.binary()),
        include_columns=[name for name in (*NUMBERS, *TEXTS) if name in header],
        null_values=[""],
    )
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=threads),
        parse_options=parsing,
        convert_options=converting,
    )


def _ragged(path: Path, header: Sequence[str]) -> str | None:
    """Describe the first row with too few or too many columns, or return None.

    One thread reads the file, because pyarrow numbers rows only then. pyarrow cannot report a row that is not UTF-8.
    """
    if not _is_utf8_file(path):
        return None
    found: list[str] = []

    def report(row: csv.InvalidRow) -> str:
        place = "" if row.number is None else f"row {row.number - 1}: "
        found.append(f"{place}expected {row.expected_columns} columns, found {row.actual_columns}: {row.text[:80]!r}")
        return "error"

    try:
        _read_csv(path, header, csv.ParseOptions(invalid_row_handler=report), threads=False)
    except (OSError, pa.ArrowException):
        return found[0] if found else None
    return None


def _is_utf8_file(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _header(path: Path) -> list[str]:
    """Return the column names from the first line of a CSV file."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except FileNotFoundError as error:
        raise JudgeInputError(f"{path}: no such file") from error
    except OSError as error:
        raise JudgeInputError(f"{path}: expected CSV with a header, found something else: {error.strerror}") from error
    other = next((name for mark, name in _ENCODINGS if start.startswith(mark)), None)
    if other is not None:
        raise JudgeInputError(f"{path}: expected CSV in UTF-8, found {other}: save it as plain UTF-8")
    lines = start.removeprefix(codecs.BOM_UTF8).splitlines()
    if not lines or not lines[0].strip():
        found = "an empty file" if not start.strip() else "an empty first line"
        raise JudgeInputError(f"{path}: expected CSV with a header, found {found}")
    first = lines[0].decode("utf-8", errors="replace")
    separator = next((name for mark, name in _SEPARATORS.items() if mark in first and "," not in first), None)
    if separator is not None:
        raise JudgeInputError(f"{path}: expected columns separated by commas, found {separator}: {first[:80]!r}")
    return [name.strip('"') for name in first.split(",")]


def _check_names(names: Sequence[str], path: Path) -> None:
    missing = [name for name in NUMBERS if name not in names]
    if missing:
        raise JudgeInputError(
            f"{path}: expected the columns {', '.join(NUMBERS)}, found no {', '.join(missing)} "
            f"(columns: {', '.join(names) or 'none'})"
        )
    repeated = [name for name, count in Counter(names).items() if count > 1 and name in (*NUMBERS, *TEXTS)]
    if repeated:
        raise JudgeInputError(
            f"{path}: column {repeated[0]}: expected one column of this name, found {names.count(repeated[0])}"
        )


def _numbers(column: Any, path: Path, name: str) -> NDArray[np.float64]:
    kind = column.type
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise JudgeInputError(f"{path}: column {name}: row {row}: expected {_EXPECTED[name]}, found nothing")
    if pa.types.is_null(kind):
        return np.empty(0)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)  # 2**53 + 1 is rounded
    elif pa.types.is_decimal(kind) or _is_text(kind):
        numbers = np.array(
            [_number(value, path, name, row) for row, value in enumerate(_values(column, path, name), 1)]
        )
    else:
        moment = pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and len(column)
        raise JudgeInputError(
            f"{path}: column {name}: row 1: expected a number, found {_moment(column) if moment else kind}"
        )
    _check(numbers, path, name)
    return numbers


def _is_text(kind: Any) -> bool:
    """Return whether a type is text, including dictionary-encoded text."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_kind(plain) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _number(value: Any, path: Path, name: str, row: int) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise JudgeInputError(f"{path}: column {name}: row {row}: expected a number, found {shown(value)}") from None


def _check(numbers: NDArray[np.float64], path: Path, name: str) -> None:
    wrong = ~np.isfinite(numbers) if name == "time_s" else ~(np.isfinite(numbers) & (numbers >= 0))
    if name == "status":
        wrong |= (numbers != np.floor(numbers)) | (numbers != 0) & ((numbers < 100) | (numbers > 999))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise JudgeInputError(
            f"{path}: column {name}: row {row + 1}: expected {_EXPECTED[name]}, found {numbers[row]:g}"
        )


def _texts(column: Any, path: Path, name: str) -> NDArray[np.str_]:
    """Return the column's texts, with an empty text for each missing value."""
    try:
        texts = column.cast(pa.string()).fill_null("").to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _not_text(column, path, name) from error
    longest = max(map(len, texts), default=0)
    if longest * len(texts) > _MOST_CHARACTERS:  # numpy gives every row the room of the longest text
        row = next(row for row, value in enumerate(texts, 1) if len(value) == longest)
        raise JudgeInputError(f"{path}: column {name}: row {row}: expected a short name, found {longest} characters")
    return np.asarray(texts, dtype=str)


def _values(column: Any, path: Path, name: str) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError as error:
        raise _not_text(column, path, name) from error


def _not_text(column: Any, path: Path, name: str) -> JudgeInputError:
    """Return the error for the first value that is not UTF-8, or for a column of another type."""
    try:
        raw = column.cast(pa.binary()).to_pylist()
    except pa.ArrowException:
        return JudgeInputError(f"{path}: column {name}: row 1: expected text in UTF-8, found {_first(column)}")
    row = next((row for row, value in enumerate(raw, 1) if not _is_utf8(value)), 1)
    return JudgeInputError(f"{path}: column {name}: row {row}: expected text in UTF-8, found {shown(raw[row - 1])}")


def _is_utf8(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False


def _first(column: Any) -> str:
    """Return the first value as Python shows it, or the column's type for a value that Python lacks."""
    try:
        return shown(column[0].as_py())
    except (pa.ArrowException, LookupError, ValueError):
        return str(column.type)


def _moment(column: Any) -> str:
    """Return the first value of a column of times, or the column's type for a time that has no text."""
    try:
        return str(column[0].cast(pa.string()).as_py())
    except (pa.ArrowException, ValueError):
        return str(column.type)
