"""A run that stood still for a while says so and proves nothing."""

import json
import os
import signal
import time

from test_interruptions import SCENARIO, until


def test_a_harness_that_was_stopped_does_not_pass(gate):
    """Ctrl-Z and fg: the load went on, but nobody watched the limits; the report names the moment."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, "steady ")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(8)  # real time has to pass: the proof allows for 5 s without a look, and a look is due every second
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=120)
    assert 11 == process.returncode, said
    (bundle,) = gate.bundles()
    analysis = json.loads((bundle / "analysis.json").read_text())
    assert "watched" in {proof["name"] for proof in analysis["proofs"] if not proof["held"]}
    assert [] == gate.left_behind()
