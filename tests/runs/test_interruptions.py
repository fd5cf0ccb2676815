"""Whatever ends a run, nothing of it stays."""

import os
import signal
import time

import pytest

SCENARIO = """
def test_slow_ratings(canary):
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
"""
MOMENTS = {
    "starting": "collected 1 item",
    "warm-up": "warm-up ",
    "steady": "steady ",
    "fault": ": live",
    "recovery": "recovery ",
}


def until(process, text, *, times=1):
    """Read what the run writes until it has written ``text``."""
    said = ""
    deadline = time.monotonic() + 60
    while said.count(text) < times and time.monotonic() < deadline:
        said += process.stdout.readline()
    assert text in said, said
    return said


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_everything_in_every_phase(gate, moment):
    """Pytest's own code for an interrupted run; no process left, no half a bundle read as whole."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, MOMENTS[moment], times=2 if moment == "fault" else 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert 2 == process.returncode
    assert [] == gate.left_behind()
    assert [] == gate.bundles()


def test_sigterm_leaves_by_the_same_way(gate):
    """A pipeline that cancels a job sends SIGTERM."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, "steady ")
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert 2 == process.returncode, said
    assert [] == gate.left_behind()


def test_sigkill_leaves_no_process(gate):
    """Nothing can be undone then, but services, proxies and load end all the same."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, ": live", times=2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert [] == gate.left_behind()
