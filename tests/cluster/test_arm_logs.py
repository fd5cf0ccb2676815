"""What the canary's pods log is copied into the folder of a run."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open

from harness.errors import ClusterForbidden
from harness.mesh.cluster.mesh import ClusterMesh

CANARY = {"app": "reviews", "version": "v3"}


def copied(mesh: ClusterMesh, folder: Path) -> list[str]:
    """The lines of the copy."""
    file = folder / "services" / "reviews-v3.log"
    mesh.log_canary(CANARY, file)
    mesh.copy_logs()
    return file.read_text().splitlines()


def test_lines_of_all_pods_have_their_time_and_no_secrets(
    fake: FakeKubernetes, open_mesh: Open, tmp_path: Path
) -> None:
    """Of the services' containers, not of the sidecars, and without escape codes."""
    more = deepcopy(fake.object("Pod", "reviews-3"))
    more["metadata"] = {**more["metadata"], "name": "reviews-3b", "uid": "another"}
    for pod in (deepcopy(fake.object("Pod", "reviews-3")), more):
        pod["spec"]["containers"] = [{"name": "app"}, {"name": "istio-proxy"}]
        fake.put(pod)
    fake.logs["reviews-3", "app", False] = "out of \x1b[31mcheese\ntoken=s3cret\n"
    fake.logs["reviews-3b", "app", False] = "all is well\n"
    fake.logs["reviews-3", "istio-proxy", False] = "of the proxy\n"
    fake.logged_at_s = 1_800_000_000.25
    with open_mesh() as mesh:
        lines = copied(mesh, tmp_path)
    at = "2027-01-15T08:00:00.250000000Z"
    assert lines[1:] == [f"{at} reviews-3: token=(hidden)", f"{at} reviews-3b: all is well"]
    assert lines[0].startswith(f"{at} reviews-3: out of ")
    assert "\x1b" not in lines[0]


def test_a_missing_right_is_named(fake: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """With the rule that grants it."""
    fake.before = lambda call: "403" if call.resource == "pods/log" else None
    with open_mesh() as mesh, pytest.raises(ClusterForbidden, match=r'resources: \["pods/log"\]'):
        copied(mesh, tmp_path)


def test_a_mesh_that_was_not_told_of_a_canary_copies_nothing(open_mesh: Open) -> None:
    """As with ``harness inject``."""
    with open_mesh() as mesh:
        mesh.copy_logs()
