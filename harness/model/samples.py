"""The requests of a run, as columns of equal length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BASELINE, CANARY, UNKNOWN_ARM = 0, 1, -1
ARMS = ("baseline", "canary")
_PART = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Requests in no particular order; all arrays have shape (n,).

    due_s: seconds since the run's first due request (float64); what phases and blocks go by.
    latency_s: seconds from the *due* time to the end of the answer (float64).
    late_s: seconds from the due time to the real send (float64); part of latency_s.
    status: HTTP status (int16); 0 when no answer came.
    arm: BASELINE, CANARY or UNKNOWN_ARM (int8), from the mark on the answer.
    operation: index into ``operations`` (int16), the load profile's request names.
    error: index into ``errors`` (int16); 0 means no error, ``errors[0]`` is the empty string.
    size: bytes of the answer's body (int32).
    """

    due_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    late_s: NDArray[np.float64]
    status: NDArray[np.int16]
    arm: NDArray[np.int8]
    operation: NDArray[np.int16]
    error: NDArray[np.int16]
    size: NDArray[np.int32]
    operations: tuple[str, ...]
    errors: tuple[str, ...]

    def __post_init__(self) -> None:
        shapes = {getattr(self, name).shape for name in COLUMNS}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"columns of samples must be one-dimensional and equally long, found shapes {shapes}")

    def __len__(self) -> int:
        return int(self.due_s.shape[0])

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Requests that count as errors: no answer, status 5xx, or an error raised by the profile."""
        failed: NDArray[np.bool_] = (self.status == 0) | (self.status >= 500) | (self.error > 0)
        return failed

    def where(self, mask: NDArray[np.bool_]) -> Samples:
        """Return the samples that ``mask`` (shape (n,)) selects."""
        return self._at(mask)

    def parts(self) -> Iterator[Samples]:
        """Yield the samples in parts that fit into a processor's cache, without copying them.

        What is computed part by part needs no more memory for ten million requests than for one part. New memory is
        what takes longest.
        """
        for start in range(0, len(self), _PART):
            yield self._at(slice(start, start + _PART))

    def _at(self, rows: NDArray[np.bool_] | slice) -> Samples:
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        return Samples(**columns, operations=self.operations, errors=self.errors)


def concatenated(parts: Sequence[Samples]) -> Samples:
    """Return the samples of several recordings, which must be on one time axis, with their dictionaries joined."""
    operations = tuple(dict.fromkeys(name for part in parts for name in part.operations))
    errors = tuple(dict.fromkeys(("", *(text for part in parts for text in part.errors))))
    renumbered = [
        replace(
            part,
            operation=_renumbered(part.operation, part.operations, operations),
            error=_renumbered(part.error, part.errors, errors),
        )
        for part in parts
    ]
    columns = {name: np.concatenate([getattr(part, name) for part in renumbered]) for name in COLUMNS}
    return Samples(**columns, operations=operations, errors=errors)


def _renumbered(codes: NDArray[np.int16], old: tuple[str, ...], new: tuple[str, ...]) -> NDArray[np.int16]:
    return np.array([new.index(text) for text in old] or [0], dtype=np.int16)[codes]


COLUMNS = ("due_s", "latency_s", "late_s", "status", "arm", "operation", "error", "size")
DTYPES = {
    "due_s": np.float64, "latency_s": np.float64, "late_s": np.float64, "status": np.int16,
    "arm": np.int8, "operation": np.int16, "error": np.int16, "size": np.int32,
}  # fmt: skip


def no_samples() -> Samples:
    """Return the samples of a run that sent nothing."""
    return Samples(**{name: np.empty(0, dtype) for name, dtype in DTYPES.items()}, operations=(), errors=("",))
