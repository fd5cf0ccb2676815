"""A scenario: what is done to the service, and what it must withstand."""

from __future__ import annotations

from dataclasses import dataclass

from harness.faults import Fault
from harness.model.objective import Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load, some faults, four phases.

    name: what reports call it. load: name of the load profile. faults: all of them; injected together in the fault
    phase, unless there are ``stages``: then each stage has a fault phase of its own. Without any fault there is neither
    a fault phase nor a recovery phase. recover_each: a recovery phase follows each stage, not only the last one.
    Durations in seconds.
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
    stages: tuple[tuple[Fault, ...], ...] = ()
    recover_each: bool = False

    @property
    def in_order(self) -> tuple[tuple[Fault, ...], ...]:
        """The faults of each fault phase, in order."""
        return self.stages or ((self.faults,) if self.faults else ())
