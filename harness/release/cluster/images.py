"""Images and digests: a tag can move, a digest cannot."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import BuildError, UsageError
from harness.model.json import JsonObject, objects_at, text_at

_AT = "@sha256:"


def repository(image: str) -> str:
    """Return an image without tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def pinned(image: str, image_id: str) -> str:
    """Return what exactly runs: the repository with the digest, or the image with the id of an image without one.

    image_id: of a container's status, such as ``docker-pullable://shop/reviews@sha256:...``. An image that was loaded
    into a node by hand has no digest in a repository, so it cannot be pulled by one.
    """
    if _AT in image:
        return image
    found = image_id.rpartition("//")[2]
    if _AT in found:
        return f"{repository(image)}{_AT}{found.partition(_AT)[2]}"
    return f"{image} ({found})"


def pullable(identity: str) -> str:
    """Return the image to put into a Deployment for an identity that ``pinned`` returned."""
    return identity.partition(" (")[0]


def running_identity(pods: Iterable[JsonObject], container: str, image: str) -> str:
    """Return the identity that all pods run in a container. image: of the Deployment.

    Raises BuildError if they do not all run the same, or if none says what it runs.
    """
    found = {
        pinned(image, text_at(status, "imageID"))
        for pod in pods
        for status in objects_at(pod, "status", "containerStatuses")
        if text_at(status, "name", default="") == container and text_at(status, "imageID", default="")
    }
    if len(found) != 1:
        names = ", ".join(sorted(found)) or "none that says so"
        raise BuildError(f"container {container}: expected pods that all run the same image, found {names}")
    return found.pop()


def container_for(deployment: JsonObject, image: str, service: str) -> str:
    """Return the name of the container that takes a new image. Raises UsageError unless one is certain.

    It is the only one, or the one with the same repository, or the one that is called like the service.
    """
    containers = objects_at(deployment, "spec", "template", "spec", "containers")
    names = [text_at(one, "name") for one in containers]
    if len(names) == 1:
        return names[0]
    alike = [
        text_at(one, "name") for one in containers if repository(text_at(one, "image", default="")) == repository(image)
    ]
    for found in (alike, [name for name in names if name == service]):
        if len(found) == 1:
            return found[0]
    raise UsageError(
        f"{service}: expected one container for the image {image}, found {', '.join(names)} of which "
        f"{'none has' if not alike else 'several have'} that repository"
    )


def image_of(deployment: JsonObject, container: str) -> str:
    """Return the image of a container of a Deployment; empty if there is no such container."""
    containers = objects_at(deployment, "spec", "template", "spec", "containers")
    return next((text_at(one, "image", default="") for one in containers if text_at(one, "name") == container), "")
