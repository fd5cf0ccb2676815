"""What every mesh must do: changes are live inside the block, gone after it, and never made by half."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import fake_kubernetes
from faulting import fault_edits
from shop import QUICK, RULE, pod, route_to, service

from harness.errors import HarnessError, UsageError
from harness.faults import abort
from harness.mesh.cluster.factory import opened
from harness.mesh.local import open_local_mesh
from harness.mesh.local.topology import Caller, Service, Topology
from harness.mesh.port import Mesh
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

WORKLOADS = {"productpage": ("v1",), "reviews": ("v1", "v3"), "ratings": ("v1",)}
RESOURCES = (route_to("reviews"), RULE)


@pytest.fixture(params=["local", "cluster"])
def mesh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mesh]:
    """A shop with two versions of reviews, once behind a real Envoy and once in a fake cluster."""
    kinds: dict[str, Callable[[Path], AbstractContextManager[Mesh]]] = {"local": _local, "cluster": _cluster}
    with kinds[request.param](tmp_path) as opened_mesh:
        yield opened_mesh


@contextmanager
def _local(folder: Path) -> Iterator[Mesh]:
    callers = tuple(
        Caller(
            workload=f"{app}-{version}", app=app, version=version, namespace="shop",
            labels={"app": app, "version": version},
        )
        for app, versions in WORKLOADS.items()
        for version in versions
    )  # fmt: skip
    services = tuple(Service(name=name, namespace="shop", port=9080) for name in WORKLOADS)
    topology = Topology(
        namespace="shop",
        callers=(*callers, Caller(workload="loadgenerator", app="loadgenerator", version="unknown", namespace="shop", calls=("reviews",))),
        services=services,
    )  # fmt: skip
    with open_local_mesh(topology, RESOURCES, folder, entry="reviews", check=lambda: None) as local:
        yield local


@contextmanager
def _cluster(folder: Path) -> Iterator[Mesh]:
    with fake_kubernetes() as fake:
        pods = [
            pod(f"{app}-{version}", app=app, version=version)
            for app, versions in WORKLOADS.items()
            for version in versions
        ]
        fake.put(*pods, *(service(app) for app in WORKLOADS), *RESOURCES)
        settings = dataclasses.replace(QUICK, kubeconfig=fake.kubeconfig(folder / "config"))
        with opened(settings, "shop", folder=folder / "run", tell=lambda text: None) as cluster:
            yield cluster


def _split(mesh: Mesh, owner: str = "r1") -> tuple[Edit, ...]:
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    return split_edits(mesh.resources(), Split(host="reviews", namespace="shop", canary_share=0.5, owner=owner, **arms))


def _fault(mesh: Mesh, host: str = "ratings", owner: str = "r1") -> tuple[Edit, ...]:
    labels = {"app": "reviews"} if host == "ratings" else None
    return fault_edits(abort(host, 503), mesh.resources(), namespace="shop", caller_labels=labels, owner=owner, index=0)


def _specs(mesh: Mesh) -> dict[tuple[str, str], Any]:
    return {(item["kind"], item["metadata"]["name"]): item["spec"] for item in mesh.resources()}


def _route_names(mesh: Mesh, host: str) -> list[str]:
    return [route.get("name", "") for route in _specs(mesh)["VirtualService", host]["http"]]


def test_a_change_is_there_inside_and_undone_outside(mesh: Mesh) -> None:
    """The rollback is None until it has been made, and is verified afterwards."""
    before = _specs(mesh)
    with mesh.changed(_split(mesh), name="split") as change:
        assert change.rollback is None
        assert _route_names(mesh, "reviews")[0].startswith("harness-r1-")
        mesh.check()
    assert change.rollback is not None
    assert (change.rollback.change, change.rollback.verified) == ("split", True)
    assert change.rollback.seconds >= 0
    assert _specs(mesh) == before


def test_a_resource_that_a_change_created_is_deleted(mesh: Mesh) -> None:
    """Ratings has no VirtualService of its own, so the fault creates one."""
    before = set(_specs(mesh))
    with mesh.changed(_fault(mesh), name="fault"):
        assert set(_specs(mesh)) - before == {("VirtualService", "harness-r1-ratings")}
    assert set(_specs(mesh)) == before


def test_changes_stack(mesh: Mesh) -> None:
    """The inner change is undone first, and the outer one stays."""
    before = _specs(mesh)
    with mesh.changed(_split(mesh), name="split") as outer:
        inside = _specs(mesh)
        with mesh.changed(_fault(mesh), name="fault") as inner:
            assert _specs(mesh) != inside
        assert inner.rollback is not None
        assert outer.rollback is None
        assert _specs(mesh) == inside
    assert _specs(mesh) == before


def test_an_edit_that_declares_nothing_is_refused(mesh: Mesh) -> None:
    """It is refused even if it looks harmless, because no limit and no proof could be checked."""
    before = _specs(mesh)
    edits = tuple(dataclasses.replace(edit, declared=None) for edit in _fault(mesh))
    with pytest.raises(UsageError, match="declares what it does"), mesh.changed(edits, name="undeclared"):
        pytest.fail("an undeclared edit must not be entered")
    assert _specs(mesh) == before


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_every_way_out_of_the_block_undoes_the_change(mesh: Mesh, error: type[BaseException]) -> None:
    """An exception and Ctrl-C are raised after the mesh is as before."""
    before = _specs(mesh)
    with pytest.raises(error), mesh.changed(_split(mesh), name="split"):
        raise error
    assert _specs(mesh) == before


def test_a_change_is_undone_from_another_thread(mesh: Mesh) -> None:
    """Another thread reverts live changes, the last one first, while the block runs; leaving then does nothing."""
    before = _specs(mesh)
    with mesh.changed(_split(mesh), name="split") as outer, mesh.changed(_fault(mesh), name="fault") as inner:
        assert outer.proof
        for change in (inner, outer):
            thread = threading.Thread(target=change.undo)
            thread.start()
            thread.join()
        assert [change.rollback.verified for change in (outer, inner) if change.rollback] == [True, True]
        assert _specs(mesh) == before
    assert _specs(mesh) == before


def test_edits_that_no_longer_fit_are_refused(mesh: Mesh) -> None:
    """Ratings had no VirtualService when the edit was planned, so the change is refused and leaves nothing."""
    planned = _fault(mesh, owner="late")
    with mesh.changed(_fault(mesh, owner="early"), name="early"):
        inside = _specs(mesh)
        with pytest.raises(HarnessError), mesh.changed(planned, name="late"):
            pytest.fail("a second owner of one host must not be entered")
        assert _specs(mesh) == inside


def test_an_edit_of_one_resource_that_is_refused_takes_back_the_others(mesh: Mesh) -> None:
    """A change of several resources is made as a whole or not at all."""
    before = _specs(mesh)
    good = _split(mesh)
    bad = dataclasses.replace(good[-1], name="nobody", namespace="shop")
    with pytest.raises(HarnessError), mesh.changed((*good, bad), name="both"):
        pytest.fail("a change with a wrong edit must not be entered")
    assert _specs(mesh) == before


def test_the_entry_is_a_url(mesh: Mesh) -> None:
    """Load is sent there. For a cluster the URL is a setting, and the error names it if it is missing."""
    if mesh.target == "cluster":
        with pytest.raises(HarnessError, match=r"cluster\.url"):
            mesh.entry()
        return
    assert mesh.entry().url.startswith("http://")


def test_a_mesh_says_what_it_is(mesh: Mesh) -> None:
    """Reports and proofs name the target."""
    assert mesh.target in ("local", "cluster")
