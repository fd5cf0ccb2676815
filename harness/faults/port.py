"""What every kind of fault offers: a function from its value to Istio's ``fault``."""

from __future__ import annotations

from typing import Protocol, TypeVar

from harness.errors import ResourceError
from harness.model.json import Json

FaultT_contra = TypeVar("FaultT_contra", contravariant=True)


class HttpFault(Protocol[FaultT_contra]):
    """``http_fault`` of a fault's module."""

    def __call__(self, fault: FaultT_contra) -> Json:
        """Istio's ``fault`` of an HTTP route; raises ResourceError for what Istio would drop, round or choke on."""
        ...


def percentage(dose: float, what: str) -> Json:
    """Istio's ``percentage`` for a dose in (0, 1], always written: without one Istio injects nothing.

    Raises ResourceError below Istio's resolution of 0.0001 percent, where it would also inject nothing.
    """
    value = round(dose * 100, 4)
    if not 0.0001 <= value <= 100:
        raise ResourceError(f"{what}: expected a percentage from 0.0001 to 100, found {dose * 100:g}")
    return {"value": int(value) if value == int(value) else value}
