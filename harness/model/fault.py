"""Faults as values: what is injected, on which host, at which dose, for whose calls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.errors import UsageError
from harness.model.declared import Declared, Scope
from harness.model.units import format_duration, format_percent, parse_duration, parse_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Requests to ``host`` wait ``duration_s`` seconds before they are sent on.

    ``dose`` is the share of requests hit, in (0, 1]. ``caller`` limits the fault to the calls of
    one workload; None means the callers the runner chooses (the service under test). ``inbound``: by the proxies of
    ``host`` itself, for every caller.
    """

    host: str
    duration_s: float
    dose: float
    caller: str | None = None
    inbound: bool = False

    def __str__(self) -> str:
        return (
            f"delay({self.host}, {format_duration(self.duration_s)}, {format_percent(self.dose)}{_side(self.inbound)})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Requests to ``host`` are answered with ``status`` by the caller's proxy (``inbound``: by the host's) and never arrive."""

    host: str
    status: int
    dose: float
    caller: str | None = None
    inbound: bool = False

    def __str__(self) -> str:
        return f"abort({self.host}, {self.status}, {format_percent(self.dose)}{_side(self.inbound)})"


Fault: TypeAlias = Delay | Abort


def declared(fault: Fault, fault_id: str, scope: Scope | None = None) -> Declared:
    """What the fault does. scope: whose requests it changes, where the run has decided that."""
    side: Literal["caller", "host"] = "host" if fault.inbound else "caller"
    is_delay = isinstance(fault, Delay)
    return Declared(
        id=fault_id,
        kind="delay" if is_delay else "abort",
        host=fault.host,
        text=str(fault),
        params={"duration_s": fault.duration_s} if isinstance(fault, Delay) else {"status": fault.status},
        dose=fault.dose,
        flag="DI" if is_delay else "FI",
        scope=Scope(caller=fault.caller, side=side) if scope is None else scope,
    )


def delay(
    host: str,
    duration: str | float,
    *,
    percent: str | float = 100,
    caller: str | None = None,
    inbound: bool = False,
) -> Delay:
    """A delay of ``duration`` ("250ms", "2s" or seconds) for ``percent`` (0 to 100) of the requests to ``host``.

    inbound: in the host's own proxies, for every caller, beside whoever owns its routes; on a cluster only.
    Raises UsageError for an empty host, a duration under 1 ms (Istio's resolution) or a dose of zero.
    """
    seconds = parse_duration(duration, f"delay({host})")
    if seconds < 1e-3 or not math.isfinite(seconds):
        raise UsageError(f"delay({host}): expected a duration of at least 1ms, found {duration!r}")
    return Delay(
        host=_host(host), duration_s=seconds, dose=_dose(percent, f"delay({host})"), caller=caller, inbound=inbound
    )


def abort(
    host: str, status: int, *, percent: str | float = 100, caller: str | None = None, inbound: bool = False
) -> Abort:
    """An answer with HTTP ``status`` (200 to 599) for ``percent`` (0 to 100) of the requests to ``host``.

    inbound: as for ``delay``.
    """
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise UsageError(f"abort({host}): expected an HTTP status from 200 to 599, found {status!r}")
    return Abort(host=_host(host), status=status, dose=_dose(percent, f"abort({host})"), caller=caller, inbound=inbound)


def _side(inbound: bool) -> str:  # noqa: FBT001 - what it says is its name
    return ", inbound" if inbound else ""


def _host(host: str) -> str:
    if not isinstance(host, str) or not host.strip():
        raise UsageError(f"fault: expected the name of a service, found {host!r}")
    return host.strip()


def _dose(percent: str | float, what: str) -> float:
    dose = parse_percent(percent, f"{what}: percent")
    if dose < 1e-6:
        raise UsageError(
            f"{what}: expected a percentage of at least 0.0001, found {percent!r}: nothing would be injected"
        )
    return dose
