"""Deployments of a release as values: the running build as it was found, the arms, and the promoted image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass

from harness.errors import MeshError
from harness.model.json import JsonObject, object_at, objects_at, parse_json, text_at, texts_at, value_at
from harness.model.release import arm_labels
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix

RELEASE_LABEL = "canary-harness/release"
MADE_BY = "canary-harness/made-by-release"
"""The annotation of a Deployment that a release made. It is no label: removing all of a release must spare it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running build as a release found it. image: of the container that is released. identity: what exactly runs.

    labels: of its pods. template: a hash of the pod template without that image, by which a change of others shows.
    manifest: the Deployment to make if no build runs yet; then uid and identity are empty.
    """

    deployment: str
    uid: str
    container: str
    image: str
    identity: str
    labels: Mapping[str, str]
    template: str
    manifest: JsonObject | None = None

    def to_text(self) -> str:
        """Return it as the record keeps it."""
        return json.dumps(asdict(self), sort_keys=True)


def running_from_text(text: str) -> Running:
    """Return what ``to_text`` wrote."""
    found = object_at(parse_json(text))
    names = ("deployment", "uid", "container", "image", "identity", "template")
    manifest = value_at(found, "manifest")
    return Running(
        labels=texts_at(found, "labels"),
        manifest=None if manifest is None else object_at(manifest),
        **{name: text_at(found, name, default="") for name in names},
    )


def template_hash(deployment: JsonObject, container: str) -> str:
    """Return a hash of the pod template without the image of one container."""
    template = deepcopy(object_at(deployment, "spec", "template"))
    for one in objects_at(template, "spec", "containers"):
        if text_at(one, "name") == container:
            one.pop("image", None)
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()


def arm_name(release: str, service: str, arm: str) -> str:
    """Return the name of the Deployment of an arm."""
    return f"{prefix(release)}{service}-{arm}"[:63].rstrip("-")


def arm_of(source: JsonObject, running: Running, *, arm: str, image: str, release: str, service: str) -> JsonObject:
    """Return the Deployment of an arm: a copy of the running one with its size, labels of its own, and this image."""
    spec = deepcopy(object_at(source, "spec"))
    ours = {OWNER_LABEL: release}
    labels = {**arm_labels(running.labels, arm), **ours}
    theirs = object_at(source, "spec", "template", "metadata")
    spec["selector"] = {"matchLabels": {**labels}}
    object_at(spec, "template")["metadata"] = {
        "labels": {**labels},
        "annotations": {**object_at(theirs, "annotations")},
    }
    spec.pop("paused", None)
    made: JsonObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": arm_name(release, service, arm),
            "namespace": text_at(source, "metadata", "namespace"),
            "labels": {**labels, **MANAGED_BY, HOST_LABEL: f"{service}-arms", RELEASE_LABEL: release},
        },
        "spec": spec,
    }
    return with_image(made, running.container, image)


def with_image(deployment: JsonObject, container: str, image: str) -> JsonObject:
    """Return the Deployment with another image of a container. Raises MeshError if it has no such container."""
    changed = deepcopy(deployment)
    found = [
        one
        for one in objects_at(changed, "spec", "template", "spec", "containers")
        if text_at(one, "name") == container
    ]
    if not found:
        raise MeshError(
            f"Deployment {text_at(deployment, 'metadata', 'name')}: expected the container {container}, found none: "
            "somebody changed it during the release"
        )
    found[0]["image"] = image
    return changed


def made_by(deployment: JsonObject, release: str) -> bool:
    """Return whether a release made this Deployment as the first running build of its service."""
    return value_at(deployment, "metadata", "annotations", MADE_BY) == release


def require_unchanged(found: JsonObject | None, running: Running, images: tuple[str, ...]) -> JsonObject:
    """Return the Deployment if only the release has changed it. images: that the release may have set.

    Raises MeshError that says what is different.
    """
    name = running.deployment
    if found is None:
        raise MeshError(f"Deployment {name}: expected it to be there, found none: somebody deleted it meanwhile")
    if text_at(found, "metadata", "uid") != running.uid:
        raise MeshError(f"Deployment {name}: expected the one that was released, found a new one of that name")
    if template_hash(found, running.container) != running.template:
        raise MeshError(
            f"Deployment {name}: expected the pod template as it was when the release began, found another: somebody "
            "changed it meanwhile, so what was tested is not what would be promoted; begin again"
        )
    containers = objects_at(found, "spec", "template", "spec", "containers")
    image = next(value_at(one, "image") for one in containers if text_at(one, "name") == running.container)
    if image not in images:
        raise MeshError(
            f"Deployment {name}: expected the image {' or '.join(images)}, found {image}: somebody changed it "
            "meanwhile, so begin again"
        )
    return found
