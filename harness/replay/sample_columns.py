"""Samples in few bytes, for a packed bundle: whole units of time, differences of due times, and planes of bytes.

Due times are rounded to 100 µs, send lateness to 10 µs, and latencies to a ten-thousandth of their median or finer. The
bytes of each column are stored by significance, so that the compressor finds those that hardly vary.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RecordError
from harness.model.samples import DTYPES, Samples

_UNITS_PER_S = {"due_s": 10_000, "late_s": 100_000}
_FINEST = 10**9
_STORED: dict[str, np.dtype[Any]] = {
    "due_s": np.dtype("<i8"), "latency_s": np.dtype("<i8"), "late_s": np.dtype("<i8"), "status": np.dtype("<i2"),
    "arm": np.dtype("<i1"), "operation": np.dtype("<i2"), "error": np.dtype("<i2"), "size": np.dtype("<i4"),
}  # fmt: skip
BYTES_EACH = sum(kind.itemsize for kind in _STORED.values())
"""The size of a sample before compression."""


def latency_units_per_s(samples: Samples) -> int:
    """Return in which fraction of a second latencies are stored: a power of ten."""
    median_s = float(np.median(samples.latency_s)) if len(samples) else 0.0
    return min(_FINEST, 10 ** max(4, 4 + math.ceil(-math.log10(median_s)))) if median_s > 0 else _FINEST


def pack_columns(samples: Samples, *, latency_units: int) -> bytes:
    """Return the columns, ordered by due time. The names of operations and errors are not part of them."""
    units = {**_UNITS_PER_S, "latency_s": latency_units}
    order = np.argsort(samples.due_s, kind="stable")
    parts = []
    for name, kind in _STORED.items():
        column = getattr(samples, name)[order]
        whole = np.rint(column * units[name]) if name in units else column
        stored = whole.astype(kind)
        if name == "due_s":
            stored = np.diff(stored, prepend=stored.dtype.type(0))
        planes = np.ascontiguousarray(stored).view(np.uint8).reshape(-1, kind.itemsize).T
        parts.append(planes.tobytes())
    return b"".join(parts)


def unpack_columns(
    content: bytes, *, latency_units: int, operations: tuple[str, ...], errors: tuple[str, ...]
) -> Samples:
    """Return the samples that ``pack_columns`` wrote. Raises RecordError for other bytes and for unknown names."""
    count, rest = divmod(len(content), BYTES_EACH)
    if rest:
        raise RecordError(f"expected {BYTES_EACH} bytes for each sample, found {rest} bytes too many")
    units = {**_UNITS_PER_S, "latency_s": latency_units}
    columns: dict[str, NDArray[Any]] = {}
    offset = 0
    for name, kind in _STORED.items():
        planes = np.frombuffer(content, np.uint8, count=count * kind.itemsize, offset=offset)
        stored = np.ascontiguousarray(planes.reshape(kind.itemsize, count).T).view(kind).reshape(count)
        offset += count * kind.itemsize
        whole = np.cumsum(stored) if name == "due_s" else stored
        columns[name] = (whole / units[name] if name in units else whole).astype(DTYPES[name])
    for name, known in (("operation", operations), ("error", errors)):
        if count and not ((columns[name] >= 0) & (columns[name] < len(known))).all():
            raise RecordError(f"expected the {name} of each sample to be one of {len(known)}, found others")
    if not np.isin(columns["arm"], (-1, 0, 1)).all():
        raise RecordError("expected the arm of each sample to be baseline, canary or unknown, found others")
    return Samples(**columns, operations=operations, errors=errors)
