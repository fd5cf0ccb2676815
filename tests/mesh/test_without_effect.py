"""For each kind of fault that the local mesh has: success is reported, nothing happens, and the run ends with code 11."""

from __future__ import annotations

import signal
from collections.abc import Callable

import psutil
import pytest
from mesh_world import SUBSETS, World
from proving import decided, ended_by, without_effect
from test_fault_kinds import FAULTS, ROUTES, requests
from test_process_faults import ask, ask_often, counted, injected, pid_of

from harness import kill, pause, restart, retries_off
from harness.errors import NotInForce
from harness.faults import BUILT_IN
from harness.faults.port import Fault
from harness.mesh.local import process_actions
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.services import ServiceSet
from harness.model.verdict import Analysis

KINDS = [kind.kind for kind in BUILT_IN if kind.usage.can_use("local")]
ROUTED = {**FAULTS, "retries_off": (retries_off("reviews"), requests)}
"""What Envoy injects. Without a failure, nobody knows what retries would have done."""


def envoy_keeps_its_routes(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """Envoy is said to have taken the change, and the requests pass as before."""
    fault, traffic = ROUTED[kind]
    world: World = request.getfixturevalue("world")
    world.serve(SUBSETS, ROUTES)
    return without_effect(world, fault, lambda: traffic(world), monkeypatch)


def nobody_ends(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Analysis:
    """The process is said to be stopped, and runs on."""
    mesh: LocalMesh = request.getfixturevalue("demo")
    fault: Fault = {"kill": kill, "restart": restart}[kind]("ratings")
    monkeypatch.setattr(ServiceSet, "stop_one", lambda *_: None)
    monkeypatch.setattr(process_actions, "_WITHIN_S", 0.1)
    with pytest.raises(NotInForce, match="it still runs") as raised, injected(mesh, fault):
        pytest.fail("must not be entered")
    monkeypatch.undo()
    assert 200 == ask(mesh)
    return ended_by(fault, raised.value)


def goes_on(_: str, request: pytest.FixtureRequest, __: pytest.MonkeyPatch) -> Analysis:
    """Somebody lets the process go on at once, and it answers."""

    def let_go(mesh: LocalMesh) -> None:
        psutil.Process(pid_of(mesh)).send_signal(signal.SIGCONT)
        ask_often(mesh)

    fault = pause("ratings")
    analysis = decided(fault, counted(request.getfixturevalue("demo"), fault, let_go))
    assert "5 calls were answered by processes that stand still" in analysis.reason
    return analysis


LIES: dict[str, Callable[[str, pytest.FixtureRequest, pytest.MonkeyPatch], Analysis]] = {
    **dict.fromkeys(ROUTED, envoy_keeps_its_routes),
    "kill": nobody_ends,
    "restart": nobody_ends,
    "pause": goes_on,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_without_effect_is_noticed(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the kind. A new kind has to be added to what is tried here."""
    analysis = LIES[kind](kind, request, monkeypatch)
    assert 11 == analysis.verdict.exit_code
    assert kind in analysis.reason


def test_no_kind_is_missing_and_none_is_tried_in_vain() -> None:
    """What is tried here is what the local mesh can inject."""
    assert set(LIES) == set(KINDS)
