"""Abort: the caller's proxy answers with an error, and the request never arrives."""

from __future__ import annotations

from harness.errors import ResourceError
from harness.faults.port import percentage
from harness.model.fault import Abort
from harness.model.json import Json


def http_fault(fault: Abort) -> Json:
    """Istio's ``fault`` for an abort.

    Raises ResourceError for a status outside 200 to 599: Istio admits 600, and Envoy then refuses the
    whole route table, which blocks every later change of every service on that port.
    """
    if not 200 <= fault.status <= 599:
        raise ResourceError(f"{fault}: expected an HTTP status from 200 to 599, found {fault.status}")
    return {"abort": {"httpStatus": fault.status, "percentage": percentage(fault.dose, str(fault))}}
