"""Read what was pushed from webhooks of GitHub and of registries. Pure functions on parsed JSON.

Sources: GitHub's webhook events ``push``, ``pull_request`` and ``registry_package``; the notifications of the CNCF
Distribution registry, which Azure's has too; Docker Hub's, Quay's and Harbor's webhooks; CloudEvents with one of these
as data. Harbor and Quay name several tags in one event, Docker Hub sends one event for each tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.model.json import JsonObject, JsonValue
from harness.model.serve import ImageRule, RepositoryRule, ServeSettings

_BUILT = frozenset({"opened", "synchronize", "reopened", "ready_for_review"})
_MOST_TEXT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A pushed image. digest: empty if the event does not say."""

    image: str
    tag: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A release that an event asks for.

    image: with its tag. service: empty for the service under test. same: what further events about the same push have
    in common. repository, sha, number: the commit and the pull request on GitHub, if the event names them.
    """

    image: str
    service: str
    same: str
    repository: str = ""
    sha: str = ""
    number: int = 0


def pushes(document: JsonValue) -> tuple[Push, ...]:
    """Return the images that a registry's event says were pushed; none for other events and unknown forms."""
    body = _object(document)
    data = _object(body.get("data")) if "specversion" in body else body
    found = [*_distribution(data), *_docker_hub(data), *_harbor(data), *_quay(data)]
    return tuple(push for push in found if push.image and push.tag)


def wanted_images(found: Iterable[Push], settings: ServeSettings) -> tuple[Wanted, ...]:
    """Return the releases that pushed images start. Images that no rule names start none."""
    wanted = []
    for push in found:
        rule = _rule(push, settings.images)
        if rule is not None:
            wanted.append(
                Wanted(image=f"{push.image}:{push.tag}", service=rule.service, same=push.digest or push.image)
            )
    return tuple(wanted)


def wanted_of_github(event: str, document: JsonValue, settings: ServeSettings) -> tuple[Wanted, ...]:
    """Return the releases that an event of GitHub starts; ``event`` is the header ``X-GitHub-Event``."""
    body = _object(document)
    repository = _text(_object(body.get("repository")).get("full_name"))
    if event in {"registry_package", "package"}:
        package = _object(body.get("registry_package") or body.get("package"))
        return wanted_images(_github_package(body, package), settings)
    rule = settings.repositories.get(repository)
    if rule is None or event not in rule.events:
        return ()
    built = _pushed(body, rule) if event == "push" else _pull_request(body, rule)
    if built is None:
        return ()
    sha, branch, number = built
    image = rule.image
    words = {"sha": sha, "short_sha": sha[:7], "branch": branch.replace("/", "-"), "number": str(number)}
    for word, text in words.items():
        image = image.replace(f"{{{word}}}", text)
    return (Wanted(image=image, service=rule.service, same=image, repository=repository, sha=sha, number=number),)


def _pushed(body: JsonObject, rule: RepositoryRule) -> tuple[str, str, int] | None:
    branch, sha = _text(body.get("ref")).removeprefix("refs/heads/"), _text(body.get("after"))
    if body.get("deleted") is True or not any(fnmatchcase(branch, pattern) for pattern in rule.branches):
        return None
    return (sha, branch, 0) if _is_commit(sha) else None


def _pull_request(body: JsonObject, rule: RepositoryRule) -> tuple[str, str, int] | None:
    request = _object(body.get("pull_request"))
    head = _object(request.get("head"))
    sha, number = _text(head.get("sha")), request.get("number")
    of_fork = _object(head.get("repo")).get("full_name") != _object(body.get("repository")).get("full_name")
    if body.get("action") not in _BUILT or request.get("draft") is True or (of_fork and not rule.forks):
        return None
    known = _is_commit(sha) and isinstance(number, int) and not isinstance(number, bool)
    return (sha, _text(head.get("ref")), int(str(number))) if known else None


def _is_commit(sha: str) -> bool:
    return len(sha) in {40, 64} and set(sha) <= set("0123456789abcdef") and set(sha) != {"0"}


def _github_package(body: JsonObject, package: JsonObject) -> Iterator[Push]:
    version = _object(package.get("package_version"))
    tag = _object(_object(version.get("container_metadata")).get("tag"))
    url = _text(version.get("package_url")).rsplit("@", 1)[0]
    image, colon, name = url.rpartition(":")
    if body.get("action") in {"published", "updated"} and colon:
        yield Push(image=image, tag=_text(tag.get("name")) or name, digest=_text(tag.get("digest")))


def _distribution(data: JsonObject) -> Iterator[Push]:
    """Read notifications of the CNCF Distribution registry, and of Azure's, which sends one of them alone."""
    for event in map(_object, _list(data.get("events")) or [data]):
        target = _object(event.get("target"))
        if event.get("action") == "push" and target:
            host = _text(_object(event.get("request")).get("host"))
            name = _text(target.get("repository"))
            image = f"{host}/{name}" if host and name else name
            yield Push(image=image, tag=_text(target.get("tag")), digest=_text(target.get("digest")))


def _docker_hub(data: JsonObject) -> Iterator[Push]:
    name, tag = _object(data.get("repository")).get("repo_name"), _object(data.get("push_data")).get("tag")
    if name and tag:
        yield Push(image=_text(name), tag=_text(tag))


def _harbor(data: JsonObject) -> Iterator[Push]:
    if data.get("type") != "PUSH_ARTIFACT":
        return
    for one in map(_object, _list(_object(data.get("event_data")).get("resources"))):
        image, _, _ = _text(one.get("resource_url")).rpartition(":")
        yield Push(image=image.partition("@")[0], tag=_text(one.get("tag")), digest=_text(one.get("digest")))


def _quay(data: JsonObject) -> Iterator[Push]:
    for tag in _list(data.get("updated_tags")):
        yield Push(image=_text(data.get("docker_url")), tag=_text(tag))


def _rule(push: Push, rules: Iterable[ImageRule]) -> ImageRule | None:
    """Return the first rule for an image. The tag ``latest`` names no build, so only a rule that says so takes it."""
    for rule in rules:
        named = rule.tags == "latest" or push.tag != "latest"
        if rule.image == push.image and named and fnmatchcase(push.tag, rule.tags):
            return rule
    return None


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    """Return a word: a text without spaces that is no option of a command line; an empty text for anything else."""
    text = value if isinstance(value, str) else ""
    odd = len(text) > _MOST_TEXT or not text.isprintable() or any(map(str.isspace, text)) or text.startswith("-")
    return "" if odd else text
