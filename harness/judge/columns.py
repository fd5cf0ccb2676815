"""The columns of one arm: what a table of requests must hold before anything is computed from it.

Any is the type of a column's values, which may be numbers of every size, or texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.judge.arguments import is_number

REQUIRED = ("time_s", "latency_s", "status")
OPTIONAL = ("endpoint", "phase", "instance")
STATUS = "an HTTP status from 100 to 999, or 0 where no answer came"
_EXPECTED = {"time_s": "finite seconds", "latency_s": "finite seconds, at least 0", "status": STATUS}


class Columns(Protocol):
    """A mapping of column names to arrays: a dict, a pandas DataFrame, a NumPy structured array."""

    def __getitem__(self, name: str, /) -> object:
        """Return the column called ``name``."""
        ...


def checked_columns(columns: Columns, arm: str) -> dict[str, NDArray[Any]]:
    """Return the columns of one arm as arrays of equal length.

    Raises JudgeInputError, naming arm, column and row (from 1), for what is missing, of another length or type, or
    out of range.
    """
    present = set(_names(columns))
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise JudgeInputError(
            f"{arm}: expected the columns {', '.join(REQUIRED)}, found no {', '.join(missing)} "
            f"(columns: {', '.join(sorted(present)) or 'none'})"
        )
    arrays: dict[str, NDArray[Any]] = {name: _numbers(columns[name], arm, name) for name in REQUIRED}
    arrays |= {name: _texts(columns[name], arm, name) for name in OPTIONAL if name in present}
    length = len(arrays["time_s"])
    for name, array in arrays.items():
        if array.shape != (length,):
            raise JudgeInputError(f"{arm}: column {name}: expected {length} rows as in time_s, found {array.shape}")
    return arrays


def _names(columns: Columns) -> Sequence[str]:
    dtype = getattr(columns, "dtype", None)
    names = getattr(dtype, "names", None)
    if names is not None:
        return tuple(names)
    keys = getattr(columns, "keys", None)
    if keys is None:
        raise JudgeInputError(f"expected columns by name, such as a dict of arrays, found {type(columns).__name__}")
    return tuple(str(key) for key in keys())


def _array(values: object, arm: str, name: str) -> NDArray[Any]:
    """Return the values of a column, which has one dimension and no masked rows."""
    hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(0, bool)
    if hidden.any():
        raise JudgeInputError(f"{arm}: column {name}: row {int(np.argmax(hidden)) + 1}: expected a value, found none")
    array = np.asarray(values)
    if array.ndim == 1:
        return array
    found = "a single value" if array.ndim == 0 else f"an array of shape {array.shape}"
    raise JudgeInputError(f"{arm}: column {name}: expected one value a row, found {found}")


def _numbers(values: object, arm: str, name: str) -> NDArray[Any]:
    array = _array(values, arm, name)
    if array.dtype.kind not in "iuf" and len(array):
        if array.dtype.kind != "O":
            raise _no_number(arm, name, 0, array[0])
        row = next((row for row, value in enumerate(array) if not is_number(value)), None)
        if row is not None:
            raise _no_number(arm, name, row, array[row])
    numbers = np.asarray(array, array.dtype if array.dtype.kind in "iuf" and name == "status" else np.float64)
    if not _in_range(numbers, name):
        row = int(np.argmax(_wrong(np.asarray(numbers, np.float64), name)))
        raise JudgeInputError(
            f"{arm}: column {name}: row {row + 1}: expected {_EXPECTED[name]}, found {numbers[row]:g}"
        )
    return numbers.astype(np.int16) if name == "status" else numbers


def _in_range(numbers: NDArray[Any], name: str) -> bool:
    """Whether all of them are, in as few passes as ten million of them deserve."""
    if not len(numbers):
        return True
    low, high = float(numbers.min()), float(numbers.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return False
    if name != "status":
        return name == "time_s" or low >= 0
    if low < 0 or high > 999:
        return False
    whole = numbers.astype(np.uint16)
    if numbers.dtype.kind == "f" and not (whole == numbers).all():
        return False
    return low >= 100 or not (whole - np.uint16(1) < 99).any()  # 0 wraps around to the largest number


def _wrong(numbers: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
    wrong = ~np.isfinite(numbers)
    if name == "latency_s":
        wrong |= numbers < 0
    if name == "status":
        wrong |= (numbers != np.floor(numbers)) | (numbers != 0) & ((numbers < 100) | (numbers > 999))
    return wrong


def _no_number(arm: str, name: str, row: int, value: object) -> JudgeInputError:
    plain = value.item() if isinstance(value, np.generic) else value
    shown = repr(plain) if isinstance(plain, (str, bytes, bool, complex, type(None))) else str(value)
    return JudgeInputError(f"{arm}: column {name}: row {row + 1}: expected a number, found {shown}")


def _texts(values: object, arm: str, name: str) -> NDArray[np.str_]:
    """Return names, the empty one where there is none. Every request belongs to a phase."""
    array = _array(values, arm, name)
    texts = array.astype(str, copy=False)
    if array.dtype.kind in "Of":
        texts = np.where([value is None or value != value for value in array], "", texts)  # noqa: PLR0124 - NaN
    if name == "phase" and (missing := texts == "").any():
        row = int(np.argmax(missing))
        raise JudgeInputError(f"{arm}: column phase: row {row + 1}: expected the name of a phase, found none")
    return texts
