"""Why a run ends before its time: the one place that decides what an error means for a run."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError, LoadError, MeshDrift, MeshGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The reason for ending a run early.

    kind: ``guard`` for an abort condition, ``drift`` when someone else changed the mesh, ``load`` when the load
    generator died; also the kind of the event on the timeline. error: trouble that leaves the run without a verdict;
    None when what was recorded until then can still be judged.
    """

    kind: str
    text: str
    error: HarnessError | None = None


def ending_for(error: HarnessError) -> Ending:
    """Return how ``error`` ends the run in which it was raised."""
    match error:
        case MeshDrift():
            return Ending(kind="drift", text=str(error))
        case MeshGuard():
            return Ending(kind="guard", text=str(error))
        case LoadError():  # the samples recorded so far are the evidence, and the proofs about the load will fail
            return Ending(kind="load", text=error.summary)
        case _:
            return Ending(kind="guard", text=str(error), error=error)
