"""Ctrl-C at any moment of a change leaves nothing of it."""

from __future__ import annotations

import random
import signal
import threading
import time

from faulting import fault_edits
from mesh_world import SUBSETS, World, routes

from harness.faults import abort


def test_ctrl_c_at_any_moment_leaves_the_mesh_as_before(world: World) -> None:
    """Twelve interrupts at random moments of making, holding and undoing a change."""
    world.serve(SUBSETS, routes("- name: all\n  route: [{destination: {host: reviews, subset: v1}}]"))
    before, rng = world.mesh.resources(), random.Random(7)
    interrupted = 0
    for _ in range(12):
        edits = fault_edits(abort("reviews", 503), before, namespace="default", caller_labels=None, owner="x", index=0)
        timer = threading.Timer(rng.uniform(0, 0.08), signal.raise_signal, [signal.SIGINT])
        try:
            timer.start()
            with world.mesh.changed(edits, name="abort"):
                time.sleep(0.02)
            timer.join()
            time.sleep(0.001)
        except KeyboardInterrupt:
            interrupted += 1
        timer.join()
        assert world.mesh.resources() == before
    assert interrupted == 12
    assert world.get("reviews").workload == "reviews-v1"
    world.serve()
    assert world.get("reviews").status == 200
