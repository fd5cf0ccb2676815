"""Create a fresh baseline next to a fresh canary: two Deployments that differ only in the build.

The running build has warm caches and old pods, so a comparison with a new Deployment would show differences that the
build does not cause. Both arms are copies with the canary's replicas and resources, created at the same time. Their
``version`` label differs from that of the originals, so that no existing subset selects them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from copy import deepcopy

from harness.errors import ResourceError
from harness.model.config import Config, Workload
from harness.model.declared import COPIES, Declared
from harness.model.json import Json
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
    deployments: Sequence[Json],
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
    return tuple(_edit(arm, source, model, service, namespace, owner) for arm, source in sources)


def _edit(arm: str, source: Json, model: Json, service: str, namespace: str, owner: str) -> Edit:  # noqa: PLR0917
    name, version = f"{prefix(owner)}{arm}", fresh_version(arm)
    ours = {**MANAGED_BY, OWNER_LABEL: owner}
    spec = deepcopy(source["spec"])
    labels = {**spec["template"]["metadata"].get("labels", {}), "version": version}
    annotations = spec["template"]["metadata"].get("annotations", {})
    spec["replicas"] = model["spec"].get("replicas", 1)
    spec["selector"] = {"matchLabels": {**labels, OWNER_LABEL: owner}}
    spec["template"]["metadata"] = {"labels": {**labels, OWNER_LABEL: owner}, "annotations": annotations}
    spec.pop("paused", None)
    _copy_resources(spec, model["spec"])
    metadata = {"name": name, "namespace": namespace, "labels": {**labels, **ours, HOST_LABEL: f"{service}-arms"}}
    resource = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    declared = Declared(id="copies", kind=COPIES, host=service, text=f"a fresh {arm} of {service}")
    return Edit(kind="Deployment", namespace=namespace, name=name, owner=owner, create=resource, declared=declared)


def _copy_resources(spec: Json, model: Json) -> None:
    """Give each container the resources of the canary's container of the same name."""
    wanted = {item["name"]: item.get("resources", {}) for item in model["template"]["spec"].get("containers", ())}
    for container in spec["template"]["spec"].get("containers", ()):
        if container["name"] in wanted:
            container["resources"] = deepcopy(wanted[container["name"]])


def runs(deployment: Json, labels: Mapping[str, str]) -> bool:
    """Return whether a Deployment that is not one of our copies creates pods with these labels."""
    theirs = deployment["spec"]["template"]["metadata"].get("labels") or {}
    return labels.items() <= theirs.items() and OWNER_LABEL not in (deployment["metadata"].get("labels") or {})


def _deployment(deployments: Sequence[Json], labels: Mapping[str, str], arm: str) -> Json:
    found = [item for item in deployments if runs(item, labels)]
    if len(found) != 1:
        names = ", ".join(item["metadata"]["name"] for item in found) or "none"
        raise ResourceError(
            f"{arm}: expected one Deployment whose pods have the labels {dict(labels)!r}, found {names}; "
            "give the version its own labels in harness.yaml, or deploy it"
        )
    return found[0]
