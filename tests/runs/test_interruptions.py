"""Whatever ends a run, nothing of it stays."""

import os
import signal
import time

import psutil
import pytest
from process_words import words_of

from harness.clients.parquet import read_samples

SCENARIO = """
def test_slow_ratings(canary):
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
"""
RATE = 20
"""Requests per second: when these runs end is decided by what they write, and nothing is judged."""
MOMENTS = {
    "starting": ("collected 1 item", signal.SIGINT),
    "warm-up": ("warm-up ", signal.SIGTERM),
    "steady": ("steady ", signal.SIGINT),
    "fault": (": live", signal.SIGINT),
    "recovery": ("recovery ", signal.SIGTERM),
}
"""What the run writes then, and the signal that it gets: Ctrl-C, or that of a pipeline that cancels a job."""


@pytest.fixture
def gate(gate):
    """With so few requests that the runs cost little."""
    gate.configure(rate=RATE)
    return gate


def until(process, text, *, times=1):
    """Read what the run writes until it has written ``text``."""
    said = ""
    deadline = time.monotonic() + 60
    while said.count(text) < times and time.monotonic() < deadline:
        said += process.stdout.readline()
    assert text in said, said
    return said


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_ends_everything_in_every_phase(gate, moment):
    """The code for an interrupted run; no process left, no half a bundle read as whole."""
    text, number = MOMENTS[moment]
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, text, times=2 if moment == "fault" else 1)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert 130 == process.returncode, said
    assert [] == gate.left_behind()
    assert [] == gate.bundles()


def test_a_load_generator_that_dies_leaves_an_inconclusive_run_with_its_samples(gate):
    """Killed in the steady phase: the run ends at once, says why, and everything is reverted."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, "steady ")
    (generator,) = [
        child for child in psutil.Process(process.pid).children(recursive=True) if "bootstrap.py" in " ".join(words_of(child)[3:6])
    ]  # fmt: skip
    generator.kill()
    said, _ = process.communicate(timeout=120)
    assert 11 == process.returncode, said
    (bundle,) = gate.bundles()
    assert 0 < len(read_samples(bundle / "samples.parquet"))
    assert "ended with exit code -9" in said
    assert [] == gate.left_behind()


def test_sigkill_leaves_no_process(gate):
    """Nothing can be undone then, but services, proxies and load end all the same."""
    gate.scenario(SCENARIO)
    process = gate.start()
    until(process, ": live", times=2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert [] == gate.left_behind()
