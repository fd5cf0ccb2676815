"""What webhooks say was pushed."""

import pytest

from harness.model.serve import ImageRule, RepositoryRule, ServeSettings
from harness.server.payloads import Push, pushes, wanted_images, wanted_of_github

IMAGE = "registry.test/shop/reviews"
SHA = "0123456789abcdef0123456789abcdef01234567"
SETTINGS = ServeSettings(
    images=(ImageRule(image=IMAGE, tags="v*"), ImageRule(image="shop/reviews", service="reviews")),
    repositories={
        "shop/reviews": RepositoryRule(
            image=f"{IMAGE}:{{sha}}", events=("push", "pull_request"), branches=("main", "release/*")
        )
    },
)
DISTRIBUTION = {
    "events": [
        {
            "action": "push",
            "target": {"repository": "shop/reviews", "tag": "v1.4", "digest": "sha256:aa"},
            "request": {"host": "registry.test"},
        },
        {
            "action": "pull",
            "target": {"repository": "shop/reviews", "tag": "v1.4"},
            "request": {"host": "registry.test"},
        },
    ]
}
HARBOR = {
    "type": "PUSH_ARTIFACT",
    "event_data": {
        "resources": [
            {"digest": "sha256:aa", "tag": "v1", "resource_url": f"{IMAGE}:v1"},
            {"digest": "sha256:aa", "tag": "v1.4", "resource_url": f"{IMAGE}:v1.4"},
        ]
    },
}


def of_github(event="push", **changed):
    """An event of GitHub about a push or a pull request of the repository itself."""
    head = {"sha": SHA, "ref": "topic", "repo": {"full_name": changed.pop("head_repository", "shop/reviews")}}
    push = {"ref": "refs/heads/main", "after": SHA}
    request = {"action": "opened", "pull_request": {"number": 7, "head": head} | changed.pop("pull_request", {})}
    return {"repository": {"full_name": "shop/reviews"}} | (push if event == "push" else request) | changed


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (DISTRIBUTION, [Push(image=IMAGE, tag="v1.4", digest="sha256:aa")]),
        (DISTRIBUTION["events"][0], [Push(image=IMAGE, tag="v1.4", digest="sha256:aa")]),
        (
            {"push_data": {"tag": "v1"}, "repository": {"repo_name": "shop/reviews"}},
            [Push(image="shop/reviews", tag="v1")],
        ),
        (HARBOR, [Push(image=IMAGE, tag=tag, digest="sha256:aa") for tag in ("v1", "v1.4")]),
        ({"docker_url": IMAGE, "updated_tags": ["v1", "v2"]}, [Push(image=IMAGE, tag=tag) for tag in ("v1", "v2")]),
        (
            {"specversion": "1.0", "type": "push", "data": DISTRIBUTION},
            [Push(image=IMAGE, tag="v1.4", digest="sha256:aa")],
        ),
    ],
    ids=["distribution", "azure", "docker hub", "harbor", "quay", "cloudevents"],
)
def test_each_registry_is_understood(document, expected):
    """Every registry has its own form of the same news."""
    assert tuple(expected) == pushes(document)


@pytest.mark.parametrize(
    "document",
    [None, [], "push", 1, {}, {"events": None}, {"events": [None, 1, []]}, {"events": [{"action": "delete"}]},
     {"type": "PUSH_ARTIFACT", "event_data": None}, {"updated_tags": [None, {}, "a b", "-v", "x" * 400]},
     {"push_data": {"tag": "--config=/etc/passwd"}, "repository": {"repo_name": "shop/reviews"}}],
)  # fmt: skip
def test_other_documents_push_nothing(document):
    """What is malformed, or could be read as an option of a command, is no push."""
    assert () == pushes(document)


@pytest.mark.parametrize(
    ("image", "tag", "starts"),
    [(IMAGE, "v1", True), (IMAGE, "nightly", False), (IMAGE, "latest", False), ("shop/reviews", "latest", False),
     ("shop/reviews", "1.4", True), ("evil/reviews", "v1", False), (f"{IMAGE}/x", "v1", False)],
)  # fmt: skip
def test_only_listed_images_start_a_release(image, tag, starts):
    """The allow-list names images and tags; latest names no build."""
    assert starts == bool(wanted_images([Push(image=image, tag=tag)], SETTINGS))


def test_a_push_names_the_image_of_its_commit():
    """The image is that of the commit, and the commit is told its status later."""
    (wanted,) = wanted_of_github("push", of_github(), SETTINGS)
    assert (f"{IMAGE}:{SHA}", "shop/reviews", SHA, 0) == (wanted.image, wanted.repository, wanted.sha, wanted.number)


def test_a_pull_request_names_its_number():
    """The comment goes to the pull request."""
    (wanted,) = wanted_of_github("pull_request", of_github("pull_request"), SETTINGS)
    assert (SHA, 7) == (wanted.sha, wanted.number)


@pytest.mark.parametrize(
    ("event", "document"),
    [
        ("push", of_github(ref="refs/heads/topic")),
        ("push", of_github(ref="refs/tags/main")),
        ("push", of_github(deleted=True)),
        ("push", of_github(after="0" * 40)),
        ("push", of_github(after="$(reboot)")),
        ("push", of_github(repository={"full_name": "evil/reviews"})),
        ("pull_request", of_github("pull_request", action="closed")),
        ("pull_request", of_github("pull_request", head_repository="fork/reviews")),
        ("pull_request", of_github("pull_request", pull_request={"draft": True})),
        ("pull_request", of_github("pull_request", pull_request={"number": True})),
        ("issues", of_github()),
        ("ping", {"zen": "Design for failure."}),
    ],
)
def test_other_events_of_github_start_nothing(event, document):
    """Other branches, deleted ones, forks, drafts and other repositories start no release."""
    assert () == wanted_of_github(event, document, SETTINGS)


def test_a_package_of_github_is_a_pushed_image():
    """GitHub's own registry tells the digest too."""
    version = {
        "package_url": f"{IMAGE}:v2",
        "container_metadata": {"tag": {"name": "v2", "digest": "sha256:bb"}},
    }
    document = {"action": "published", "registry_package": {"package_version": version}}
    (wanted,) = wanted_of_github("registry_package", document, SETTINGS)
    assert (f"{IMAGE}:v2", "sha256:bb") == (wanted.image, wanted.same)
