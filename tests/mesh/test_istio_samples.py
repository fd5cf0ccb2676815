"""Files as a user of Istio writes them behave in the local mesh as Istio documents them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from mesh_world import SAMPLES, World

from harness.routing.istio.reading import read_resources

TESTERS = {"x-team": "testers"}


def _serve(world: World, *names: str) -> None:
    files = [SAMPLES / f"{name}.yaml" for name in ("subsets", *names)]
    world.mesh.replace(read_resources(files))


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("route-*.yaml")), ids=lambda file: file.stem)
def test_every_sample_loads_with_the_destination_rules(world: World, file: Path) -> None:
    """No sample that speaks HTTP is refused."""
    _serve(world, file.stem)
    assert len(world.mesh.resources()) >= 5


def test_all_first_versions(world: World) -> None:
    """Every service is answered by its v1."""
    _serve(world, "route-first-versions")
    for service in ("productpage", "reviews", "ratings", "details"):
        assert {answer.workload for answer in world.times(6, service)} == {f"{service}-v1"}


@pytest.mark.parametrize(
    ("name", "arms", "low", "high"),
    [
        ("even", ("v1", "v3"), 65, 135),
        ("quarter", ("v1", "v2"), 19, 81),
        ("tenth", ("v2", "v3"), 1, 42),
    ],
)
def test_splits_share_out_as_written(world: World, name: str, arms: tuple[str, str], low: int, high: int) -> None:
    """Of 200 requests the second arm gets its share, within five standard deviations."""
    _serve(world, f"route-split-{name}")
    counts = Counter(answer.workload for answer in world.times(200, "reviews", caller="productpage-v1"))
    assert set(counts) == {f"reviews-{version}" for version in arms}
    assert low <= counts[f"reviews-{arms[1]}"] <= high


@pytest.mark.parametrize(
    ("name", "team", "wanted", "others"),
    [
        ("testers-by-header", "testers", "v2", "v1"),
        ("testers-by-header-prefix", "test-of-search", "v2", "v3"),
        ("third-version", "testers", "v3", "v3"),
    ],
)
def test_a_team_is_sent_to_a_version(world: World, name: str, team: str, wanted: str, others: str) -> None:
    """The header ``x-team`` chooses the version."""
    _serve(world, f"route-{name}")
    headers = {"x-team": team}
    assert {answer.workload for answer in world.times(5, "reviews", headers=headers)} == {f"reviews-{wanted}"}
    assert {answer.workload for answer in world.times(5, "reviews")} == {f"reviews-{others}"}


def test_paths_methods_queries_and_callers_choose_the_route(world: World) -> None:
    """Each condition of a match counts, the first route that matches is taken, and the rewrite reaches the workload."""
    _serve(world, "route-by-path")
    old = world.get("reviews", "/v0/7")
    assert (old.workload, old.seen["path"]) == ("reviews-v1", "/7")
    assert "x-route" not in old.headers
    assert world.get("reviews", "/legacy/7?format=xml").seen["path"] == "/7?format=xml"
    rest = world.get("reviews", "/legacy/7?format=json")
    assert (rest.workload, rest.seen["path"]) == ("reviews-v1", "/legacy/7?format=json")
    assert (rest.headers["x-route"], rest.seen["headers"]["x-route"]) == ("rest", "rest")
    assert world.get("reviews", "/v0/7", method="POST").headers["x-route"] == "rest"
    page = {answer.workload for answer in world.times(30, "reviews", "/reviews/7", caller="productpage-v1")}
    assert page == {"reviews-v2", "reviews-v3"}


def test_ratings_are_delayed_for_testers_only(world: World) -> None:
    """Testers wait for 1.5 s, nobody else does."""
    _serve(world, "route-delay-testers")
    delayed = world.get("ratings", caller="reviews-v2", headers=TESTERS)
    assert delayed.status == 200
    assert 1.4 <= delayed.seconds  # Envoy counts from the start of its event loop, some ms early
    for headers in ({}, {"x-team": "other"}):
        fastest = min(answer.seconds for answer in world.times(3, "ratings", caller="reviews-v2", headers=headers))
        assert fastest < 1.4


def test_ratings_are_aborted_for_testers_only(world: World) -> None:
    """Testers get 418, everybody else gets an answer."""
    _serve(world, "route-abort-testers")
    assert world.get("ratings", caller="reviews-v2", headers=TESTERS).status == 418
    assert world.get("ratings", caller="reviews-v2").status == 200


def test_details_are_aborted_with_a_status_of_no_name(world: World) -> None:
    """Every call gets 566; the second route is never reached, and a warning says so."""
    world.mesh.replace(read_resources([SAMPLES / "details-always-aborted.yaml"]))
    assert {answer.status for answer in world.times(5, "details")} == {566}
    assert len(world.mesh.warnings()) == 1


@pytest.mark.parametrize("service", ["details", "ratings"])
def test_a_version_that_does_not_run_answers_503(world: World, service: str) -> None:
    """The subset is known but has no endpoints."""
    _serve(world, f"route-missing-{service}")
    assert world.get(service).status == 503


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("with-service-entry", "HTTPS is left out"),
        ("with-workloads", "apps/v1 Deployment is left out"),
        ("with-mutual-tls", "ISTIO_MUTUAL is left out"),
    ],
)
def test_what_one_machine_lacks_is_left_out_with_a_warning(world: World, name: str, message: str) -> None:
    """The rest of the file is served, and the warning names file and line."""
    world.mesh.replace(read_resources([SAMPLES / f"{name}.yaml"]))
    assert any(f"{name}.yaml:" in line and message in line for line in world.mesh.warnings())
    assert world.get("details").status == 200
