"""A run that stood still for a while says so and proves nothing."""

import json
import os
import signal
import time

from test_interruptions import RATE, SCENARIO, until


def test_a_harness_that_was_stopped_does_not_pass(gate):
    """Ctrl-Z and fg: the load went on, but nobody watched the limits; the report names the moment."""
    gate.configure(rate=RATE)
    gate.scenario(SCENARIO)
    # On a machine that is busy enough, the load is over before the signal arrives. Then there is nothing to be named.
    assert any(_named_after_a_stop(gate) for _ in range(3))
    assert [] == gate.left_behind()


def _named_after_a_stop(gate):
    process = gate.start()
    until(process, "steady ")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(8)  # real time has to pass: the proof allows for 5 s without a look, and a look is due every second
    os.kill(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=120)
    assert 11 == process.returncode, said
    analysis = json.loads((gate.bundles()[-1] / "analysis.json").read_text())
    return "watched" in {proof["name"] for proof in analysis["proofs"] if not proof["held"]}
