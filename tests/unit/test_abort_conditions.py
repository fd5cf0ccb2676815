"""Abort conditions: a run ends when the canary fails too often or when the kill file exists."""

from dataclasses import replace

import numpy as np
from recorded import samples

from harness.model.samples import CANARY
from harness.runner.abort_conditions import breach, switched_off


def failing(share):
    """Return samples in which this share of the canary's requests fails."""
    made = samples()
    rng = np.random.default_rng(0)
    bad = (made.arm == CANARY) & (rng.random(len(made)) < share)
    return replace(made, status=np.where(bad, 503, 200).astype(np.int16))


def test_a_canary_under_the_ceiling_goes_on():
    """A failure rate of 10 % does not end a run: the judge decides about it."""
    assert "" == breach(failing(0.1), elapsed_s=20.0, error_ceiling=0.5)


def test_a_canary_over_the_ceiling_ends_the_run_with_numbers():
    """The reason says how many of how many failed, and the limit."""
    reason = breach(failing(0.99), elapsed_s=20.0, error_ceiling=0.5)
    assert "the error ceiling is 50 %" in reason
    assert "canary requests failed within 5 s" in reason


def test_few_requests_breach_nothing():
    """With fewer than fifty requests, the share of failures says too little to end a run."""
    assert "" == breach(failing(1.0), elapsed_s=30.9, error_ceiling=0.5)


def test_the_kill_file_ends_the_run(tmp_path):
    """The run ends as soon as the file exists."""
    (tmp_path / "KILL").touch()
    assert "kill switch" in switched_off(tmp_path / "KILL")
    assert "" == switched_off(tmp_path / "OTHER")
