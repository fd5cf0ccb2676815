"""Faults of processes on the demo: they hit, they are reverted, and a run notices when they have no effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mesh_world import request
from proving import decided

from harness import kill, pause, restart
from harness.errors import UsageError
from harness.faults.port import Fault
from harness.mesh.local import process_actions
from harness.mesh.local.mesh import LocalMesh
from harness.model.record import FaultCount
from harness.model.step import PROCESS
from harness.model.verdict import Verdict
from harness.routing.port import Aim
from harness.runner.counts import fault_counts

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@contextmanager
def injected(mesh: LocalMesh, fault: Fault) -> Iterator[None]:
    """Keep the fault in force inside the block."""
    aim = Aim(declared=fault.declared("x-0"), namespace=mesh.namespace, owner="x", index=0)
    with mesh.changed(fault.steps(mesh, aim), name=str(fault)) as change:
        yield
    assert change.rollback is not None
    assert change.rollback.verified
    mesh.check()


def ask(mesh: LocalMesh) -> int:
    """The status of one call of reviews-v3 to ratings; 0 if the caller gave it up."""
    try:
        return request(mesh.url("reviews-v3", "ratings"), "/ratings/1").status
    except TimeoutError:
        return 0


def ask_often(mesh: LocalMesh) -> object:
    """Some calls, one after the other."""
    return [ask(mesh) for _ in range(5)]


def counted(mesh: LocalMesh, fault: Fault, traffic: Callable[[LocalMesh], object]) -> tuple[FaultCount, ...]:
    """What the fault hit of the calls in its time."""
    with injected(mesh, fault):
        live = mesh.request_counts()
        traffic(mesh)
        end = mesh.request_counts()
    arms = {"v3": ""}
    return fault_counts(fault, fault.declared("x-0"), phase="fault", live=live, before_removal=end, end=end, arms=arms)


def pid_of(mesh: LocalMesh) -> int:
    """The process of ratings."""
    found = {item["metadata"]["name"]: item["metadata"]["uid"] for item in mesh.resources(PROCESS)}
    return int(str(found["ratings-v1"]).split("@")[0])


def test_calls_to_a_killed_process_fail_and_it_is_started_again(demo: LocalMesh) -> None:
    """Every call of the time is hit, and another process answers afterwards."""
    before = pid_of(demo)
    (found,) = counted(demo, kill("ratings"), ask_often)
    assert (5, 5) == (found.hit, found.requests)
    assert Verdict.PASS is decided(kill("ratings"), (found,)).verdict
    assert before != pid_of(demo)
    assert 200 == ask(demo)


def test_calls_to_a_paused_process_wait_until_it_goes_on(demo: LocalMesh) -> None:
    """The calls that wait at the end are the ones that were hit; all get their answers then."""
    with ThreadPoolExecutor(5) as callers:
        answers = []

        def wait(mesh: LocalMesh) -> None:
            answers.extend(callers.submit(ask, mesh) for _ in range(5))
            assert process_actions.wait_until(lambda: 5 == waiting(mesh), timeout_s=PATIENCE_S)

        (found,) = counted(demo, pause("ratings"), wait)
        assert {200} == {answer.result(PATIENCE_S) for answer in answers}
    assert (5, 5) == (found.hit, found.requests)
    assert Verdict.PASS is decided(pause("ratings"), (found,)).verdict


def waiting(mesh: LocalMesh) -> int:
    """How many calls of reviews-v3 have no answer."""
    rows = [row for row in mesh.request_counts() if row.reporter == "waiting" and row.source_workload == "reviews-v3"]
    return sum(row.total for row in rows if row.destination_service.startswith("ratings."))


def test_a_restart_is_seen_although_no_call_fails(demo: LocalMesh) -> None:
    """The mesh saw another process; the calls in its time are the evidence of what that costs."""
    before = pid_of(demo)
    (found,) = counted(demo, restart("ratings"), ask_often)
    assert found.requests == 5
    assert Verdict.PASS is decided(restart("ratings"), (found,)).verdict
    assert before != pid_of(demo)


def test_without_calls_nothing_is_proven(demo: LocalMesh) -> None:
    """A restart that nobody called during is no evidence either."""
    for fault in (kill("ratings"), restart("ratings")):
        analysis = decided(fault, counted(demo, fault, lambda _: None))
        assert 11 == analysis.verdict.exit_code
        assert fault.kind in analysis.reason


def test_a_service_without_processes_is_refused(demo: LocalMesh) -> None:
    """It may run elsewhere."""
    fault = replace(kill("ratings"), host="nobody")
    aim = Aim(declared=fault.declared("x-0"), namespace=demo.namespace, owner="x", index=0)
    with pytest.raises(UsageError, match="expected a Process with the labels app=nobody, found none"):
        fault.steps(demo, aim)
