"""Refuse faults that the mesh in use cannot inject, and name the fault that comes closest there."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.faults.port import Fault

LOCAL = "local"
_ALIKE = {"stage": LOCAL}
"""Targets that inject what another one injects."""


def require_made_by(target: str, faults: Iterable[Fault]) -> None:
    """Raise UsageError for a fault of a kind that the mesh of ``target`` cannot inject."""
    for fault in faults:
        if why := why_not_on(target, fault):
            raise UsageError(f"{fault.words().text}: {why}")


def why_not_on(target: str, fault: Fault) -> str:
    """Return why the mesh of ``target`` cannot inject a fault, and what comes closest; empty if it can."""
    usage, mesh = fault.usage, _ALIKE.get(target, target)
    if usage.can_use(mesh):
        return ""
    host = fault.declared("").host
    closest = f"; {usage.closest.replace('HOST', host)} comes closest on the {mesh} mesh" if usage.closest else ""
    return f"the {mesh} mesh cannot inject it, the {' and '.join(usage.meshes)} mesh can{closest}"
