"""Decide why a run ends early, and what an error means for it. No other module does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import ArmDeath, HarnessError, LoadError, MeshDrift, MeshGuard
from harness.model.json import JsonScalar

DEATH = "death"
"""The kind of event that says that an arm died.

Its field ``arm`` names the arm, ``silent_s`` says for how long it had not answered when that was noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The reason for ending a run early.

    kind: ``guard`` for an abort condition, ``drift`` when someone else changed the mesh, ``load`` when the load
    generator died, ``death`` when an arm died; also the kind of the event on the timeline. fields: of that event.
    error: trouble that leaves the run without a verdict;
    None when what was recorded until then can still be judged.
    """

    kind: str
    text: str
    error: HarnessError | None = None
    fields: Mapping[str, JsonScalar] = field(default_factory=dict)


def ending_for(error: HarnessError) -> Ending:
    """Return how ``error`` ends the run in which it was raised."""
    match error:
        case MeshDrift():
            return Ending(kind="drift", text=str(error))
        case MeshGuard():
            return Ending(kind="guard", text=str(error))
        case ArmDeath():  # a finding about the canary, or a run without its reference
            fields: dict[str, JsonScalar] = {"arm": error.arm, "how": error.how, "log": error.log}
            if error.silent_s:
                fields["silent_s"] = round(error.silent_s, 3)
            return Ending(kind=DEATH, text=f"the {error.arm} ({error.name}) died: {error.how}", fields=fields)
        case LoadError():  # the samples recorded so far are the evidence, and the proofs about the load will fail
            return Ending(kind="load", text=error.summary)
        case _:
            return Ending(kind="guard", text=str(error), error=error)
