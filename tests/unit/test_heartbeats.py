"""One arm that stops answering while the other one answers counts as dead, and the checks tell since when."""

from __future__ import annotations

from harness.errors import ArmDeath, WorkloadDeath
from harness.mesh.heartbeats import MISSES, Heartbeats
from harness.mesh.stage.messages import error_message, error_of
from harness.runner.ending import ending_for


def test_the_silence_begins_with_the_last_answer() -> None:
    """The checks of a workload that hangs take seconds each, so their number does not tell for how long."""
    clock = iter(range(10, 1000, 2))
    beats = Heartbeats(lambda: float(next(clock)))
    beats.silent([("v2", True), ("v3", True)])  # asks the clock for each answer: v3 answered at 12 s
    for _ in range(MISSES - 1):
        assert beats.silent([("v2", True), ("v3", False)]) == ""
    assert beats.silent([("v2", True), ("v3", False)]) == "v3"
    assert beats.silent_s("v3") == 24.0 - 12.0


def test_a_silence_of_both_is_a_silence_of_the_machine() -> None:
    """It ends no row of misses that began before it in a death."""
    beats = Heartbeats()
    for _ in range(MISSES - 1):
        beats.silent([("v2", True), ("v3", False)])
    assert beats.silent([("v2", False), ("v3", False)]) == ""
    assert beats.silent([("v2", True), ("v3", False)]) == ""


def test_the_event_of_a_death_says_for_how_long_the_arm_was_silent() -> None:
    """Also if the mesh is in a process of its own. A death that is noticed at once has no such field."""
    death = WorkloadDeath(name="reviews-v3", labels={"app": "reviews"}, how="it hangs", log="", silent_s=9.5)
    told = error_of(error_message(death))
    assert isinstance(told, WorkloadDeath)
    assert ending_for(ArmDeath("canary", told)).fields["silent_s"] == 9.5
    crash = WorkloadDeath(name="reviews-v3", labels={}, how="exit code 3", log="")
    assert "silent_s" not in ending_for(ArmDeath("canary", crash)).fields
