"""SIGKILL at every write of a run that disrupts a service: all is reverted from the journal alone, and nothing else.

Run it with ``pytest -m slow tests/cluster/test_disruption_kills.py``.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from fake_kubernetes import Call, FakeKubernetes
from test_cluster_steps import deployment, obey
from test_kill import Executioner, changes, ours
from test_pod_limits import LIMITS, limits_of, sized
from victims import Victims

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.mesh.cluster.recovery.reaping import reap

pytestmark = [pytest.mark.slow, pytest.mark.lengthy, pytest.mark.timeout(1800)]  # some eighty runs


class AtWrites(Executioner):
    """Kills before or after a request that changes something. The Deployment's controller works."""

    def __init__(self, fake: FakeKubernetes, folder: Path) -> None:
        obey(fake)
        controller = fake.after
        super().__init__(fake, folder)

        def after(call: Call) -> str | None:
            controller(call)
            return self._moment_after(call)

        fake.after = after

    def _moment(self, call: Call) -> str | None:
        return super()._moment(call) if changes(call) else None


@pytest.mark.parametrize(
    "disrupts", ["scale 1", "evict 1", "delete_pods 1", "deny", "partition", "cpu_limit 50m", "memory_limit 64Mi"]
)
def test_what_a_killed_disruption_left_is_reverted(
    fake: FakeKubernetes, kube: Kubernetes, tmp_path: Path, disrupts: str
) -> None:
    """A controller replaces evicted and deleted pods; the others have their limits, and nothing of ours is left."""
    executioner = AtWrites(fake, tmp_path / "victim")
    with Victims() as victims:

        def lives(at: int) -> bool:
            executioner.aim(at)
            fake.put(sized("ratings-1"), sized("ratings-2"))
            code = victims.run(executioner.kubeconfig, executioner.folder, disrupts=disrupts)
            assert code in {0, -signal.SIGKILL}
            return code == 0

        fake.put(deployment())
        before = fake.specs()
        assert lives(-1)
        for at in range(executioner.moments):
            assert not lives(at)
            left = reap(kube, "shop", patience_s=5, living=True, settle=ignore)
            assert [] == [item.trouble for item in left if item.trouble]
            assert (before, []) == (fake.specs(), ours(fake) + fake.objects("NetworkPolicy"))
            assert 2 == fake.object("Deployment", "ratings-v1")["spec"]["replicas"]
            assert LIMITS == limits_of(fake, "ratings-2")
