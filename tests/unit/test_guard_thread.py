"""The thread of the abort conditions ends a run that exceeds a limit, cannot be watched, or does not end by itself."""

import threading

import pytest

from harness.errors import ClusterUnreachable, MeshDrift, MeshGuard, MetricsError, ServiceError
from harness.runner.guard_thread import AbortCondition, GuardThread

SOON_S = 30.0


def watched(*asks, undo=lambda: None, grace_s=0.0):
    """Run a thread that checks its conditions as often as it can."""
    conditions = [AbortCondition(name=f"condition {n}", ask=ask) for n, ask in enumerate(asks)]
    return GuardThread(conditions, undo=undo, every_s=0.001, grace_s=grace_s, misses=3)


def raises(error):
    """Return a condition that raises an error."""

    def ask():
        raise error

    return ask


def ending_of(ask):
    """Return how the thread ends a run with one condition."""
    undone = threading.Event()
    with watched(ask, undo=undone.set) as guards:
        assert undone.wait(SOON_S)
        return guards.ended()


@pytest.mark.parametrize(
    ("ask", "kind", "text"),
    [
        (lambda: "too many errors", "guard", "too many errors"),
        (raises(MeshDrift("rewritten")), "drift", "rewritten"),
        (raises(MeshGuard("kill switch")), "guard", "kill switch"),
        (raises(MetricsError("silent")), "guard", "condition 0: could not be checked 3 times in a row: silent"),
        (raises(ClusterUnreachable("silent")), "guard", "condition 0: could not be checked 3 times in a row: silent"),
        (raises(ValueError("oops")), "guard", "condition 0: the check itself failed: ValueError: oops"),
    ],
    ids=["limit", "drift", "kill switch", "Prometheus", "API server", "broken guard"],
)
def test_what_does_not_hold_or_is_not_known_ends_the_run(ask, kind, text):
    """A condition that is not known to hold ends the run with a reason, and the changes are reverted."""
    ending = ending_of(ask)
    assert (kind, text) == (ending.kind, ending.text)


def test_trouble_of_the_mesh_is_raised_where_the_run_is():
    """If a service dies, there is no verdict: the error is raised in the thread of the run."""
    with pytest.raises(ServiceError, match="died"):
        ending_of(raises(ServiceError("died")))


def test_answers_in_between_are_forgiven():
    """Two polls without an answer and then one with an answer, repeated, do not end the run."""
    asked = threading.Semaphore(0)
    answers = [MetricsError("silent"), MetricsError("silent"), None] * 4

    def ask():
        asked.release()
        if answers and (error := answers.pop()) is not None:
            raise error
        return ""

    with watched(ask) as guards:
        for _ in range(15):
            assert asked.acquire(timeout=SOON_S)
        assert guards.ended() is None


def test_a_run_that_leaves_in_time_undoes_for_itself():
    """The thread does not interfere when the run reverts its own changes, so its measurements stay valid."""
    undone = threading.Event()
    with watched(lambda: "end", undo=undone.set, grace_s=SOON_S) as guards:
        while guards.ended() is None:
            threading.Event().wait(0.001)
    assert not undone.is_set()
