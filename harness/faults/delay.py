"""Delay: requests wait in the caller's proxy before they are sent on."""

from __future__ import annotations

from harness.errors import ResourceError
from harness.faults.port import percentage
from harness.model.fault import Delay
from harness.model.json import Json


def http_fault(fault: Delay) -> Json:
    """Istio's ``fault`` for a delay. Raises ResourceError for a duration that Istio would round."""
    milliseconds = fault.duration_s * 1e3
    if abs(milliseconds - round(milliseconds)) > 1e-6 or round(milliseconds) < 1:
        raise ResourceError(
            f"{fault}: expected a whole number of milliseconds, found {milliseconds:g} ms: Istio knows no finer ones"
        )
    seconds = f"{round(milliseconds) / 1000:.3f}".rstrip("0").rstrip(".")
    return {"delay": {"fixedDelay": f"{seconds}s", "percentage": percentage(fault.dose, str(fault))}}
