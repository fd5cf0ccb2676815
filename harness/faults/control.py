"""Positive controls: a fault that hits only the canary, which proves that a worse canary is noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from harness.errors import UsageError
from harness.faults.condition import Condition
from harness.faults.dosed import DosedFault
from harness.faults.pod_limits import PodLimit

F = TypeVar("F", bound=DosedFault | Condition)


def on_canary(fault: F) -> F:
    """Return the fault for the calls of the canary only, or for its pods, as a positive control.

    A run with it should fail; it says nothing about the build, and reports say so. Raises UsageError for a fault that
    cannot tell the arms' calls apart: one in the host's own proxies, or one that holds for every caller.
    """
    if isinstance(fault, PodLimit):
        return replace(fault, arms="canary")
    known = isinstance(fault, (DosedFault, Condition))
    scope = fault.declared("").scope
    if not known or scope.side == "host" or scope.every_caller or scope.caller:
        raise UsageError(
            f"{fault}: expected a fault of the routes of a dependency, which can tell the arms' calls apart, such as a "
            "delay or an abort without a caller; this one holds for others too"
        )
    return replace(fault, arms="canary")
