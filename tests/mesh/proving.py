"""Inject a fault into a running mesh, send requests, and decide about a run in which that was all that happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fake_run import FakeJudge
from faulting import SeenWorld
from mesh_world import World
from recorded import record

from harness.errors import NotInForce
from harness.faults.port import Fault
from harness.mesh.local.mesh import LocalMesh
from harness.model.phase import PhaseKind
from harness.model.record import Event, FaultCount, Record
from harness.model.verdict import Analysis, Verdict
from harness.routing.port import Aim
from harness.runner.counts import fault_counts
from harness.runner.deciding import decide

Traffic = Callable[[], object]


@contextmanager
def injected(world: World, fault: Fault) -> Iterator[Any]:
    """Keep the fault in force for every caller inside the block."""
    aim = Aim(declared=fault.declared("x-0"), namespace="default", owner="x", index=0)
    steps = fault.steps(SeenWorld(world.mesh.resources(), others=world.mesh.resources("Service")), aim)
    with world.mesh.changed(steps, name=str(fault)) as change:
        yield change


def counted(world: World, fault: Fault, traffic: Traffic) -> tuple[FaultCount, ...]:
    """What the fault hit of the requests that were sent while it was in force."""
    with injected(world, fault):
        live = world.mesh.request_counts()
        traffic()
        end = world.mesh.request_counts()
    said = fault.declared("x-0")
    return fault_counts(fault, said, phase="fault", live=live, before_removal=end, end=end, arms={})


def decided(fault: Fault, counts: tuple[FaultCount, ...]) -> Analysis:
    """The decision about a run that passes unless the fault did not hit."""
    as_planned = record()
    phases = tuple(
        dataclasses.replace(phase, faults=(str(fault),)) if phase.kind is PhaseKind.FAULT else phase
        for phase in as_planned.plan.phases
    )
    made: Record = dataclasses.replace(
        as_planned, plan=dataclasses.replace(as_planned.plan, phases=phases), fault_counts=counts
    )
    return decide(made, FakeJudge(verdict=Verdict.PASS))


def ended_by(fault: Fault, error: NotInForce) -> Analysis:
    """The decision about a run that ended because the fault was not seen to be in force."""
    text = f"{fault}: {error}"  # as the engine ends it
    made = record(aborted=text, events=(Event(at_s=12.0, kind="proof", text=text),))
    return decide(made, FakeJudge(verdict=Verdict.PASS))


def check_hits(world: World, fault: Fault, traffic: Traffic) -> FaultCount:
    """The fault hits, so the run may pass. Return what it hit."""
    (found,) = counted(world, fault, traffic)
    assert found.hit > 0, found
    assert Verdict.PASS is decided(fault, (found,)).verdict
    return found


def without_effect(world: World, fault: Fault, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """The decision about a run in which Envoy is said to have taken the change, but serves what it served before."""
    with monkeypatch.context() as lying:
        lying.setattr(LocalMesh, "_make_live", _only_remembered)
        found = counted(world, fault, traffic)
    return decided(fault, found)


def check_without_effect(world: World, fault: Fault, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a run ends with code 11, and the reason names the kind."""
    analysis = without_effect(world, fault, traffic, monkeypatch)
    assert Verdict.INCONCLUSIVE is analysis.verdict
    assert 11 == analysis.verdict.exit_code
    assert fault.kind in analysis.reason


def _only_remembered(mesh: LocalMesh, resources: Any, _: object = None, *, insist: bool = False) -> None:
    mesh._resources = tuple(resources)
