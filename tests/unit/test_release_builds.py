"""What exactly a build is: digests of images, commits of revisions, and the arms that a gate compares."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import wiring
from harness.config import read_config
from harness.config.release_gate import VARIABLE, gate_document
from harness.errors import BuildError, UsageError
from harness.model.release import OnDoubt, ReleaseSettings, ReleaseStep
from harness.release.assembly import approve_command
from harness.release.cluster.images import container_for, pinned, pullable, repository, running_identity
from harness.release.revisions import checked_out, commit_of

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "found"),
    [("reviews", "reviews"), ("reviews:1", "reviews"), ("r:5000/shop/reviews", "r:5000/shop/reviews"),
     ("r:5000/shop/reviews:1.2", "r:5000/shop/reviews"), (f"shop/reviews@{DIGEST}", "shop/reviews")],
)  # fmt: skip
def test_the_repository_of_an_image_has_no_tag(image: str, found: str):
    """A port of the registry is no tag."""
    assert found == repository(image)


def test_an_image_is_pinned_by_what_its_pods_say():
    """With a digest it can be pulled by it; an image that was loaded by hand keeps its name, and its id tells it."""
    assert f"shop/reviews@{DIGEST}" == pinned("shop/reviews:1", f"docker-pullable://other/name@{DIGEST}")
    assert f"shop/reviews@{DIGEST}" == pinned(f"shop/reviews@{DIGEST}", "anything")
    loaded = pinned("shop/reviews:1", "sha256:1234")
    assert ("shop/reviews:1 (sha256:1234)", "shop/reviews:1") == (loaded, pullable(loaded))


def _pod(image_id: str) -> Any:
    return {"status": {"containerStatuses": [{"name": "app", "imageID": image_id}]}}


def test_pods_that_run_different_images_are_no_build():
    """A tag that moved between two pods would be tested as a mixture; pods that say nothing prove nothing."""
    for pods in ([_pod(f"a@{DIGEST}"), _pod(f"a@{DIGEST[:-1]}b")], [_pod("")], []):
        with pytest.raises(BuildError, match="expected pods that all run the same image"):
            running_identity(pods, "app", "shop/reviews:1")


def _deployment(**images: str) -> Any:
    containers = [{"name": name, "image": image} for name, image in images.items()]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def test_the_container_that_takes_the_image_must_be_certain():
    """The only one, that with the repository, or that with the name of the service."""
    assert "app" == container_for(_deployment(app="x"), "shop/reviews:2", "reviews")
    assert "main" == container_for(_deployment(main="shop/reviews:1", side="log:1"), "shop/reviews:2", "reviews")
    assert "reviews" == container_for(_deployment(reviews="x", side="y"), "shop/reviews:2", "reviews")
    with pytest.raises(UsageError, match="found main, side"):
        container_for(_deployment(main="x", side="y"), "shop/reviews:2", "reviews")


@pytest.fixture
def repository_with_branch(tmp_path: Path) -> Path:
    """A repository with a folder shop, in which the branch new has another text."""
    root = tmp_path / "repository"
    (root / "shop").mkdir(parents=True)
    for words in (["init", "-q", "-b", "main"], ["config", "user.name", "a"], ["config", "user.email", "a@b"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    for branch, text in (("main", "old"), ("new", "new")):
        if branch != "main":
            subprocess.run(["git", "checkout", "-q", "-b", branch], cwd=root, check=True)
        (root / "shop" / "text").write_text(text)
        subprocess.run(["git", "add", "-A"], cwd=root, check=True)
        subprocess.run(["git", "commit", "-q", "-m", branch], cwd=root, check=True)
    subprocess.run(["git", "checkout", "-q", "main"], cwd=root, check=True)
    return root / "shop"


def test_a_revision_is_resolved_checked_out_and_built_once(repository_with_branch: Path, tmp_path: Path):
    """The checkout has the files of the configuration's folder; a branch that moves later changes nothing."""
    commit = commit_of(repository_with_branch, "new")
    folder, told = tmp_path / "out" / commit, list[str]()
    build = ["sh", "-c", "cat text >> built"]
    for _ in range(2):
        checked_out(repository_with_branch, commit, folder, build=build, tell=told.append)
    assert ("new", "new", 1) == ((folder / "text").read_text(), (folder / "built").read_text(), len(told))
    assert "old" == (repository_with_branch / "text").read_text()


def test_a_build_that_fails_is_a_finding_and_is_tried_again(repository_with_branch: Path, tmp_path: Path):
    """Its last lines tell why; a half built folder is not taken for a whole one."""
    commit = commit_of(repository_with_branch, "main")
    with pytest.raises(BuildError, match="exit code 3\nno compiler"):
        checked_out(
            repository_with_branch, commit, tmp_path / "out", build=["sh", "-c", "echo no compiler; exit 3"], tell=print
        )
    checked_out(repository_with_branch, commit, tmp_path / "out", build=["touch", "done"], tell=lambda text: None)
    assert (tmp_path / "out" / "done").is_file()


@pytest.mark.parametrize("revision", ["nowhere", "--all", ""])
def test_what_is_no_revision_is_refused(repository_with_branch: Path, revision: str):
    """An option is no revision either."""
    with pytest.raises(UsageError, match="expected a Git revision"):
        commit_of(repository_with_branch, revision)


def test_a_gate_compares_the_arms_with_half_of_the_test_traffic_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever harness.yaml says: the release's arms, only marked requests, and no copies of its own."""
    (tmp_path / "harness.yaml").write_text(
        "service: ratings\narms: {baseline: v1, canary: v2}\nsplit: 10%\nservices:\n"
        "  ratings: {versions: {v1: {}, v2: {}}}\n  reviews: {versions: {v1: {}}}\ncluster: {fresh-arms: true}\n"
    )
    document = gate_document(
        service="reviews", stable={"app": "r", "version": "v1"}, target="stage", stage=Path("/s"), approve="approve it"
    )
    (tmp_path / "gate.json").write_text(json.dumps(document))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gate.json"))
    read = read_config(tmp_path / "harness.yaml")
    config = wiring.for_target(read, wiring.target(read, None))
    assert ("stage", Path("/s"), "approve it") == (wiring.target(read, None), config.stage, config.approve)
    assert ("reviews", 0.5, True, False) == (
        config.service, config.canary_share, config.cluster.only_test_traffic, config.cluster.fresh_arms,
    )  # fmt: skip
    assert {"app": "r", "version": "harness-canary"} == config.workload("reviews", config.canary).labels


@pytest.mark.parametrize(("doubt", "begins"), [("hold", "harness release approve --config "), ("reject", "")])
def test_reports_of_a_gate_name_the_command_that_approves(tmp_path: Path, doubt: str, begins: str):
    """A release that waits for a person names its own command; one that rejects by itself names none."""
    (tmp_path / "my app.yaml").write_text(
        "service: reviews\narms: {baseline: v1, canary: v2}\nservices: {reviews: {versions: {v1: {}, v2: {}}}}\n"
    )
    config = read_config(tmp_path / "my app.yaml")
    settings = ReleaseSettings(steps=(ReleaseStep(weight=1.0, scenarios=("x",)),), on_marginal=OnDoubt(doubt))
    command = approve_command(config, "20261129-reviews", settings)
    assert begins == command[: len(begins)]
    assert (f"'{tmp_path}/my app.yaml' --release 20261129-reviews --by NAME" in command) is bool(begins)


@pytest.mark.parametrize("text", ["", "{}", '{"service": "other", "stable": {}, "target": "stage"}'])
def test_a_gate_without_its_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str):
    """A wrong variable must not lead to a run that compares something else."""
    (tmp_path / "harness.yaml").write_text(
        "service: reviews\narms: {baseline: v1, canary: v2}\nservices: {reviews: {versions: {v1: {}, v2: {}}}}\n"
    )
    (tmp_path / "gate.json").write_text(text)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gate.json"))
    with pytest.raises(UsageError, match=VARIABLE):
        wiring.for_target(read_config(tmp_path / "harness.yaml"), "stage")
