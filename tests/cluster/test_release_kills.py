"""A release on a fake cluster that is killed at a write leaves users a build, and is resumed or undone to the end.

This is the short form of ``make soak-release``, which kills at each write, before and after it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_releases import Gate, driven
from fake_kubernetes import fake_kubernetes
from release_kills import KINDS, Kills, kills_of

from harness.model.release import Phase
from harness.release.cluster.deployments import arm_name


@pytest.mark.parametrize("name", KINDS)
def test_a_kill_at_any_write_leaves_a_state_that_serves(name: str, tmp_path: Path):
    """No route leads to pods that are gone, and at the end nothing is left but the stable build of its outcome."""
    with fake_kubernetes() as server:
        subject = Kills(server, tmp_path)
        assert kills_of(subject, name, every=4) >= 3
        assert [] == subject.wrong


def test_a_route_to_pods_that_are_gone_is_seen(tmp_path: Path):
    """The check of the kill tests finds what they look for."""
    with fake_kubernetes() as server:
        subject, kind = Kills(server, tmp_path), KINDS["canary"]
        config, store = subject._begun(kind, tmp_path / "one")
        with driven(config, store, Gate(server)) as driver:
            driver.run(lambda state: state.phase is Phase.GATE)
            assert [] == list(subject._lost_users(kind))
            (pair,) = driver._pairs()
            name = arm_name(pair.release, "reviews", "canary")
            server.store.objects = {key: one for key, one in server.store.objects.items() if key[-1] != name}
        (found,) = subject._lost_users(kind)
        assert "leads to a Deployment that is gone" in found
        assert 4 == len(list(subject._left(kind, promoted=False)))
