"""Create a fresh baseline next to a fresh canary: two Deployments that differ only in the build.

The running build has warm caches and old pods, so a comparison with a new Deployment would show differences that the
build does not cause. Both arms are copies with the canary's replicas and resources, created at the same time. Their
``version`` label differs from that of the originals, so that no existing subset selects them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import deepcopy

from harness.clients.kubernetes.types import as_deployment, labels_of, metadata_of, template_of
from harness.errors import ResourceError
from harness.model.config import Config, Workload
from harness.model.declared import COPIES, Declared
from harness.model.json import JsonObject, object_at, objects_at, text_at
from harness.model.step import Edit
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix

ARMS = ("baseline", "canary")


def fresh_version(arm: str) -> str:
    """Return the ``version`` label of a fresh arm."""
    return f"harness-{arm}"


def with_fresh_arms(config: Config) -> Config:
    """Return the configuration with the fresh arms as the versions to compare; it keeps what they are copied from."""
    if config.cluster.copied:
        return config
    service = config.services[config.service]
    versions = {
        fresh_version(arm): Workload(
            service=service.name,
            version=fresh_version(arm),
            labels={**config.workload(config.service, version).labels, "version": fresh_version(arm)},
        )
        for arm, version in zip(ARMS, (config.baseline, config.canary), strict=True)
    }
    changed = dataclasses.replace(service, versions={**service.versions, **versions})
    return dataclasses.replace(
        config,
        services={**config.services, config.service: changed},
        cluster=dataclasses.replace(config.cluster, copied=(config.baseline, config.canary)),
        baseline=fresh_version("baseline"),
        canary=fresh_version("canary"),
    )


def fresh_arm_edits(
    deployments: Sequence[JsonObject],
    *,
    service: str,
    namespace: str,
    baseline: Mapping[str, str],
    canary: Mapping[str, str],
    owner: str,
) -> tuple[Edit, ...]:
    """Return the edits that create both arms.

    baseline, canary: pod labels of the builds to copy. Raises ResourceError unless exactly one Deployment has each.
    """
    model = _deployment(deployments, canary, "canary")
    sources = zip(ARMS, (_deployment(deployments, baseline, "baseline"), model), strict=True)
    return tuple(
        _edit(arm, source, model, service=service, namespace=namespace, owner=owner) for arm, source in sources
    )


def _edit(arm: str, source: JsonObject, model: JsonObject, *, service: str, namespace: str, owner: str) -> Edit:
    name, version = f"{prefix(owner)}{arm}", fresh_version(arm)
    ours = {**MANAGED_BY, OWNER_LABEL: owner}
    pods = template_of(as_deployment(source))
    labels = {**(pods.get("labels") or {}), "version": version}
    spec = deepcopy(object_at(source, "spec"))
    spec["replicas"] = as_deployment(model)["spec"].get("replicas", 1)
    spec["selector"] = {"matchLabels": {**labels, OWNER_LABEL: owner}}
    object_at(spec, "template")["metadata"] = {
        "labels": {**labels, OWNER_LABEL: owner},
        "annotations": {**(pods.get("annotations") or {})},
    }
    spec.pop("paused", None)
    _copy_resources(spec, object_at(model, "spec"))
    metadata: JsonObject = {
        "name": name,
        "namespace": namespace,
        "labels": {**labels, **ours, HOST_LABEL: f"{service}-arms"},
    }
    resource: JsonObject = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    declared = Declared(id="copies", kind=COPIES, host=service, text=f"a fresh {arm} of {service}")
    return Edit(kind="Deployment", namespace=namespace, name=name, owner=owner, create=resource, declared=declared)


def _copy_resources(spec: JsonObject, model: JsonObject) -> None:
    """Give each container the resources of the canary's container of the same name."""
    theirs = objects_at(model, "template", "spec", "containers")
    wanted = {text_at(item, "name"): object_at(item, "resources") for item in theirs}
    for container in objects_at(spec, "template", "spec", "containers"):
        name = text_at(container, "name")
        if name in wanted:
            container["resources"] = deepcopy(wanted[name])


def runs(deployment: JsonObject, labels: Mapping[str, str]) -> bool:
    """Return whether a Deployment that is not one of our copies creates pods with these labels."""
    typed = as_deployment(deployment)
    theirs = template_of(typed).get("labels") or {}
    return labels.items() <= theirs.items() and OWNER_LABEL not in labels_of(typed["metadata"])


def _deployment(deployments: Sequence[JsonObject], labels: Mapping[str, str], arm: str) -> JsonObject:
    found = [item for item in deployments if runs(item, labels)]
    if len(found) != 1:
        names = ", ".join(metadata_of(item)["name"] for item in found) or "none"
        raise ResourceError(
            f"{arm}: expected one Deployment whose pods have the labels {dict(labels)!r}, found {names}; "
            "give the version its own labels in harness.yaml, or deploy it"
        )
    return found[0]
