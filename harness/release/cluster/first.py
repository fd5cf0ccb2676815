"""The first release of a service on a cluster: no build runs, so the Deployment comes from a file of the user's."""

from __future__ import annotations

from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes
from harness.config import Config
from harness.errors import ConfigError, MeshError, UsageError
from harness.mesh.cluster.arms import runs
from harness.mesh.cluster.safety.rights import Right, require_rights
from harness.model.config import Workload
from harness.model.json import JsonObject, object_at, text_at, texts_at
from harness.release.cluster.deployments import MADE_BY, Running, made_by, template_hash, with_image
from harness.release.cluster.images import container_for, image_of
from harness.release.ports import Pair
from harness.yaml_files import read_documents


def stable_deployment(kube: Kubernetes, config: Config, service: str) -> JsonObject | None:
    """Return the Deployment of the running build; None if the first release of the service is still to come.

    Raises UsageError if there are several, or none although there should be one.
    """
    labels = stable_workload(config, service).labels
    found = [item for item in kube.list("Deployment", config.namespace) if runs(item, labels)]
    if not found and _file(config, service):
        return None
    if len(found) != 1:
        names = ", ".join(text_at(item, "metadata", "name") for item in found) or "none"
        raise UsageError(
            f"{service}: expected one Deployment whose pods have the labels {dict(labels)!r}, found {names}; for its "
            "first release, name the file of its Deployment in release.first of harness.yaml"
        )
    return found[0]


def stable_workload(config: Config, service: str) -> Workload:
    """Return the version of harness.yaml whose labels the running pods of a service have. Raises UsageError."""
    versions = config.services[service].versions
    if service == config.service:
        return versions[config.baseline]
    if len(versions) != 1:
        raise UsageError(
            f"{service}: expected one version in harness.yaml, which is the running one, found {', '.join(versions)}"
        )
    return next(iter(versions.values()))


def _file(config: Config, service: str) -> Path | None:
    name = "" if config.release is None else config.release.first.get(service, "")
    return config.root / name if name else None


def first_running(kube: Kubernetes, config: Config, pair: Pair) -> Running:
    """Return the Deployment that the first release is to make, in the form that the record keeps.

    Raises ConfigError for a file that has no such Deployment, and UsageError without a Service.
    """
    require_rights(kube, config.namespace, (Right(verb="get", kind="Service"),))
    if kube.get("Service", config.namespace, pair.service) is None:
        raise UsageError(f"{pair.service}: expected a Service of that name in {config.namespace}, found none: make it")
    manifest = _manifest(config, pair.service)
    container = container_for(manifest, pair.build.name, pair.service)
    return Running(
        deployment=text_at(manifest, "metadata", "name"),
        uid="",
        container=container,
        image=image_of(manifest, container),
        identity="",
        labels=texts_at(manifest, "spec", "template", "metadata", "labels"),
        template=template_hash(manifest, container),
        manifest=manifest,
    )


def _manifest(config: Config, service: str) -> JsonObject:
    file, labels = _file(config, service), stable_workload(config, service).labels
    if file is None:
        raise config.error("release.first", f"expected the file of the Deployment of {service}, found none")
    documents = [object_at(one.value) for one in read_documents(file, ConfigError) if isinstance(one.value, dict)]
    found = [one for one in documents if one.get("kind") == "Deployment" and runs(one, labels)]
    if len(found) != 1:
        raise config.error(
            "release.first",
            f"expected one Deployment in {file} whose pods have the labels {dict(labels)!r}, found {len(found)}",
        )
    metadata = {**object_at(found[0], "metadata"), "namespace": config.namespace}
    return {key: value for key, value in found[0].items() if key != "status"} | {"metadata": metadata}


def source_of(running: Running) -> JsonObject:
    """Return what the arms of a first release are copies of."""
    return running.manifest or {}


def first_deployment(found: JsonObject | None, running: Running, image: str, release: str) -> JsonObject:
    """Return the Deployment that the release makes as the first running build.

    found: what is there. Raises MeshError if that is somebody else's.
    """
    if found is not None:
        require_made(found, release)
        return with_image(found, running.container, image)
    manifest = source_of(running)
    metadata = object_at(manifest, "metadata")
    notes: JsonObject = {**object_at(metadata, "annotations"), MADE_BY: release}
    return with_image({**manifest, "metadata": {**metadata, "annotations": notes}}, running.container, image)


def require_made(found: JsonObject, release: str) -> None:
    """Raise MeshError unless the release made the Deployment."""
    if not made_by(found, release):
        name = text_at(found, "metadata", "name")
        raise MeshError(
            f"Deployment {name}: expected none before the first release, found one: somebody deployed it meanwhile, so "
            "begin again"
        )
