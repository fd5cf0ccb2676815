"""Istio's own Bookinfo files, unmodified, behave as Istio documents them."""

from __future__ import annotations

from collections import Counter

import pytest
from mesh_world import World
from shared_data import ISTIO

from harness.routing.istio.reading import read_resources

JASON = {"end-user": "jason"}


def _serve(world: World, *names: str) -> None:
    files = [ISTIO / f"{name}.yaml" for name in ("destination-rule-all", *names)]
    world.mesh.replace(read_resources(files))


@pytest.mark.parametrize("file", sorted(ISTIO.glob("virtual-service-*.yaml")), ids=lambda file: file.stem)
def test_every_sample_loads_with_the_destination_rules(world: World, file) -> None:
    """No sample that speaks HTTP is refused."""
    world.mesh.replace(read_resources([ISTIO / "destination-rule-all.yaml", file]))
    assert len(world.mesh.resources()) >= 5


def test_all_v1(world: World) -> None:
    """Every service is answered by its v1."""
    _serve(world, "virtual-service-all-v1")
    for service in ("productpage", "reviews", "ratings", "details"):
        assert {answer.workload for answer in world.times(6, service)} == {f"{service}-v1"}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("reviews-50-v3", 65, 135), ("reviews-80-20", 8, 74), ("reviews-90-10", 1, 48), ("reviews-v2-v3", 65, 135)],
)
def test_splits_share_out_as_written(world: World, name: str, low: int, high: int) -> None:
    """Of 200 requests the second arm gets its share, within what chance allows."""
    arms = {
        "reviews-50-v3": ("v1", "v3"), "reviews-80-20": ("v1", "v2"),
        "reviews-90-10": ("v1", "v2"), "reviews-v2-v3": ("v2", "v3"),
    }[name]  # fmt: skip
    _serve(world, f"virtual-service-{name}")
    counts = Counter(answer.workload for answer in world.times(200, "reviews", caller="productpage-v1"))
    assert set(counts) == {f"reviews-{version}" for version in arms}
    assert low <= counts[f"reviews-{arms[1]}"] <= high


@pytest.mark.parametrize(
    ("name", "jason", "others"),
    [("reviews-jason-v2-v3", "v2", "v3"), ("reviews-test-v2", "v2", "v1"), ("reviews-v3", "v3", "v3")],
)
def test_a_user_is_sent_to_a_version(world: World, name: str, jason: str, others: str) -> None:
    """The header ``end-user`` chooses the version."""
    _serve(world, f"virtual-service-{name}")
    assert {answer.workload for answer in world.times(5, "reviews", headers=JASON)} == {f"reviews-{jason}"}
    assert {answer.workload for answer in world.times(5, "reviews")} == {f"reviews-{others}"}


def test_ratings_are_delayed_for_jason_only(world: World) -> None:
    """Requests with ``end-user: jason`` wait for 7 s, others do not."""
    _serve(world, "virtual-service-ratings-test-delay")
    assert world.get("ratings", caller="reviews-v2").seconds < 5
    assert world.get("ratings", caller="reviews-v2", headers={"end-user": "other"}).seconds < 5
    delayed = world.get("ratings", caller="reviews-v2", headers=JASON)
    assert delayed.status == 200
    assert 6.9 <= delayed.seconds < 12  # Envoy counts from the start of its event loop, some ms early


def test_ratings_are_aborted_for_jason_only(world: World) -> None:
    """Requests with ``end-user: jason`` get 500, others get an answer."""
    _serve(world, "virtual-service-ratings-test-abort")
    assert world.get("ratings", caller="reviews-v2", headers=JASON).status == 500
    assert world.get("ratings", caller="reviews-v2").status == 200


def test_details_are_aborted_with_a_status_of_no_name(world: World) -> None:
    """Every call gets 555; the second route is never reached, and a warning says so."""
    world.mesh.replace(read_resources([ISTIO / "fault-injection-details-v1.yaml"]))
    assert {answer.status for answer in world.times(5, "details")} == {555}
    assert len(world.mesh.warnings()) == 1


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("details-v2", "details"),
        ("ratings-db", "ratings"),
        ("ratings-mysql", "ratings"),
        ("ratings-mysql-vm", "ratings"),
    ],
)
def test_a_version_that_does_not_run_answers_503(world: World, name: str, service: str) -> None:
    """The subset is known but has no endpoints."""
    _serve(world, f"virtual-service-{name}")
    assert world.get(service).status == 503


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("egress-rule-google-apis", "HTTPS is left out"),
        ("bookinfo", "apps/v1 Deployment is left out"),
        ("destination-rule-all-mtls", "ISTIO_MUTUAL is left out"),
    ],
)
def test_what_one_machine_lacks_is_left_out_with_a_warning(world: World, name: str, message: str) -> None:
    """The warning names the file and the line."""
    world.mesh.replace(read_resources([ISTIO / f"{name}.yaml"]))
    assert any(f"{name}.yaml:" in line and message in line for line in world.mesh.warnings())
