"""The guard: a run ends when the canary fails too often or somebody pulls the switch."""

from dataclasses import replace

import numpy as np
from recorded import samples

from harness.model.samples import CANARY
from harness.runner.abort_conditions import breach, switched_off


def failing(share):
    """Samples in which this share of the canary's requests fails."""
    made = samples()
    rng = np.random.default_rng(0)
    bad = (made.arm == CANARY) & (rng.random(len(made)) < share)
    return replace(made, status=np.where(bad, 503, 200).astype(np.int16))


def test_a_canary_under_the_ceiling_goes_on():
    """A tenth of failures is the judge's business, not the guard's."""
    assert "" == breach(failing(0.1), elapsed_s=20.0, error_ceiling=0.5)


def test_a_canary_over_the_ceiling_ends_the_run_with_numbers():
    """The reason says how many of how many failed, and the limit."""
    reason = breach(failing(0.99), elapsed_s=20.0, error_ceiling=0.5)
    assert "the error ceiling is 50 %" in reason
    assert "canary requests failed within 5 s" in reason


def test_few_requests_breach_nothing():
    """Under fifty requests there is no share worth acting on."""
    assert "" == breach(failing(1.0), elapsed_s=30.9, error_ceiling=0.5)


def test_the_kill_file_ends_the_run(tmp_path):
    """An existing file is the switch."""
    (tmp_path / "KILL").touch()
    assert "kill switch" in switched_off(tmp_path / "KILL")
    assert "" == switched_off(tmp_path / "OTHER")
