"""Meshes are found by name; a new one is a package and one line."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from fake_run import World, scenario

from harness import abort, gate, wiring
from harness.config import read_config
from harness.errors import UsageError
from harness.mesh import targets

CONFIG = read_config(Path(__file__).parents[2] / "harness.yaml")


def test_a_mesh_of_one_package_and_one_line_can_be_used(monkeypatch, tmp_path):
    """Its package adapts the configuration, checks scenarios and opens the mesh."""
    mesh = World(tmp_path).mesh

    def check(faults, config):
        raise UsageError(f"{config.service}: not on this mesh")

    package = ModuleType("meshes_of_a_test")
    package.KIND = targets.MeshKind(
        open=lambda config, folder: nullcontext(mesh), adapt=lambda config: replace(config, service="ratings"), check=check,
        where=lambda config: "two containers",
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "meshes_of_a_test", package)
    monkeypatch.setattr(targets, "PACKAGES", {**targets.PACKAGES, "other": "meshes_of_a_test"})
    assert "ratings" == wiring.for_target(CONFIG, "other").service
    assert "target other (two containers)" == wiring.described(CONFIG, "other")
    with gate.open_mesh(CONFIG, target="other", folder=tmp_path) as opened:
        assert mesh is opened
    with pytest.raises(UsageError, match="not on this mesh"):
        gate.check_scenario(scenario(), CONFIG, target="other")


@pytest.mark.parametrize("target", targets.TARGETS)
def test_every_package_says_what_it_offers(target):
    """Otherwise only the first user would notice a listed name without a package."""
    assert isinstance(targets.mesh_kind(target), targets.MeshKind)


def test_asking_what_a_mesh_offers_loads_no_client():
    """A judge of a bundle asks, on machines that never see a cluster."""
    code = (
        "import sys; from harness.mesh.targets import has_real_users; "
        "sys.exit(not has_real_users('cluster') or 'kubernetes' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_an_unknown_target_is_refused_with_the_known_ones():
    """The message lists them."""
    with pytest.raises(UsageError, match="unknown target 'moon'; known: local, cluster"):
        targets.mesh_kind("moon")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (abort("ratigns", 503), "found 'ratigns', did you mean 'ratings'.; known: "),
        (abort("ratings", 503, inbound=True), "leave inbound out"),
    ],
    ids=["unknown host", "inbound"],
)
def test_the_local_mesh_refuses_faults_that_it_cannot_inject(fault, reason):
    """It refuses them before anything is started."""
    with pytest.raises(UsageError, match=reason):
        gate.check_scenario(scenario(faults=(fault,)), CONFIG, target="local")


def test_a_new_mesh_is_taken_to_have_real_users(tmp_path):
    """A mesh is assumed to have real users unless its package says otherwise; only the local mesh has none."""
    asked = scenario(load="browse")
    for target, expected in {"local": False, "cluster": True}.items():
        assert expected is wiring.settings(CONFIG, asked, target=target, manifest={}).real_users
    assert targets.MeshKind(open=lambda config, folder: nullcontext()).real_users
