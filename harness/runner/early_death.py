"""Make the record of a run whose arm died before any load was sent: it has no measurements, but it gets a verdict."""

from __future__ import annotations

import numpy as np

from harness.errors import WorkloadDeath
from harness.model.record import Event, Plan, Record
from harness.model.samples import DTYPES, Samples
from harness.runner.abort_conditions import arm_of
from harness.runner.ending import DEATH
from harness.runner.settings import Settings


def record_of_death(plan: Plan, settings: Settings, death: WorkloadDeath) -> Record:
    """Return a record without samples that says which arm died, and how. Raises ``death`` if it was no arm."""
    arm = arm_of(death.labels, settings)
    if arm is None:
        raise death
    text = f"the {arm} ({death.name}) died before any load was sent: {death.how}"
    fields = {"arm": arm, "how": death.how, "log": death.log}
    columns = {name: np.empty(0, dtype) for name, dtype in DTYPES.items()}
    return Record(
        plan=plan,
        phases=(),
        samples=Samples(**columns, operations=("",), errors=("",)),
        load=None,
        events=(Event(at_s=0.0, kind=DEATH, text=text, fields=fields),),
        manifest=settings.manifest,
        config=settings.config,
        aborted=text,
    )
