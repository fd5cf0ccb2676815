"""A scenario: what is done to the service, and what it must withstand."""

from __future__ import annotations

from dataclasses import dataclass

from harness.faults import Fault
from harness.model.objective import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load, some faults, four phases.

    name: what reports call it. load: name of the load profile. faults: injected together in the
    fault phase; without any there is no fault and no recovery phase. Durations in seconds.
    """

    name: str
    load: str
    rate_rps: float
    faults: tuple[Fault, ...]
    warm_up_s: float
    steady_s: float
    fault_s: float
    recovery_s: float
    objectives: tuple[Objective, ...]
    seed: int
