"""Keep the mesh of a replay up, with split and faults in force, so that a person can look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from harness import wiring
from harness.mesh.local.topology import LOAD_GENERATOR
from harness.model.json import text_at
from harness.model.names import new_run_id
from harness.model.step import PROCESS
from harness.replay.running import Standing
from harness.replay.staging import Stage
from harness.runner.steps import StepMaker

_LOOK_EVERY_S = 0.5


@contextmanager
def faults_in_force(stage: Stage, world: Standing) -> Iterator[None]:
    """Split the requests and inject the faults of a replay inside the block; revert all of it on exit."""
    mesh = world.mesh
    run = wiring.arrangement(world.config, target="local", owner=f"kept-{new_run_id()}", gateway=mesh.gateway)
    maker = StepMaker(run, mesh)
    with ExitStack() as changes:
        changes.enter_context(mesh.changed(maker.split(mesh.resources()), name="split"))
        for index, fault in enumerate(next(iter(stage.scenario.in_order), ())):
            steps = maker.fault(fault, mesh.resources(), index)
            changes.enter_context(mesh.changed(steps, name=fault.words().text))
        world.troupe.begin("fault" if stage.scenario.faults else "steady")
        yield


def kept_lines(stage: Stage, world: Standing) -> Iterator[str]:
    """Yield where everything is, and how to look into it."""
    mesh = world.mesh
    header = '-H "baggage: kept=1"'
    yield f"kept     curl -i {header} {mesh.entry().url}/...   the header x-harness-arm tells which arm answered"
    for name in dict.fromkeys([*(one.service for one in stage.cast.real), *stage.cast.played]):
        yield f"kept     {name}: {mesh.url(LOAD_GENERATOR, name)}"
    yield f"kept     Envoy (pid {mesh.envoy_pid}): {mesh.metrics_url.removesuffix('/stats/prometheus')}"
    if stage.cast.played:
        yield f"kept     stand-ins (pid {world.troupe.pid}): {', '.join(stage.cast.played)}"
    for process in mesh.resources(PROCESS):
        pid = text_at(process, "metadata", "uid").partition("@")[0]
        yield f"kept     {text_at(process, 'metadata', 'name')}: pid {pid}"
    yield "kept     to attach a debugger: gdb -p PID, dlv attach PID, jdb or py-spy dump --pid PID"
    faults = "; ".join(fault.words().text for fault in next(iter(stage.scenario.in_order), ()))
    yield f"kept     in force: the split{f'; {faults}' if faults else ''}; Ctrl-C reverts it and stops everything"


def hold(stage: Stage, world: Standing, say: Callable[[str], None]) -> None:
    """Keep the mesh as it was in the fault phase until Ctrl-C. Raises the error of a part that dies meanwhile."""
    with faults_in_force(stage, world):
        for line in kept_lines(stage, world):
            say(line)
        try:
            while True:
                time.sleep(_LOOK_EVERY_S)
                world.mesh.check()
                world.troupe.check()
        except KeyboardInterrupt:
            say("kept     ending")
