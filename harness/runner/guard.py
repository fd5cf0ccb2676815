"""Limits that end a run: questions about what has been seen, asked once a second."""

from __future__ import annotations

from pathlib import Path

from harness.model.samples import CANARY, Samples
from harness.model.units import format_percent

_WINDOW_S = 5.0
_ENOUGH = 50


def switched_off(kill_file: Path) -> str:
    """Why the run must end now, or the empty string: somebody made the kill file."""
    return f"the kill switch {kill_file} is set" if kill_file.exists() else ""


def breach(samples: Samples, *, elapsed_s: float, error_ceiling: float) -> str:
    """Why the run must end now, or the empty string.

    The ceiling holds for failed canary requests that were due in the last five seconds, from 50 requests on.
    """
    recent = samples.where((samples.due_s > elapsed_s - _WINDOW_S) & (samples.arm == CANARY))
    if len(recent) < _ENOUGH:
        return ""
    share = float(recent.failed.mean())
    if share <= error_ceiling:
        return ""
    return (
        f"{format_percent(share)} of {len(recent)} canary requests failed within {_WINDOW_S:.0f} s; "
        f"the error ceiling is {format_percent(error_ceiling)}"
    )
