"""Every object of Kubernetes in pipelines/ and deploy/, checked strictly against Kubernetes' own schemas."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from checkers import DEPLOY, PIPELINES

VERSION = "1.37"
CARRIERS = ("tekton.dev", "argoproj.io")
JOBS = [
    "kubernetes/approve.yaml",
    "kubernetes/nightly.yaml",
    "kubernetes/release.yaml",
    "kubernetes/release-several.yaml",
]
JsonObject = dict[str, Any]


def objects() -> Iterator[tuple[str, JsonObject]]:
    """Each object of Kubernetes itself, and those that objects of Tekton and Argo carry inside."""
    for root in (PIPELINES, DEPLOY):
        for path in sorted(root.rglob("*.yaml")):
            if {"node_modules", "chart"} & set(path.parts):
                continue
            name = str(path.relative_to(root))
            for found in yaml.safe_load_all(path.read_text()):
                version = found.get("apiVersion", "") if isinstance(found, dict) else ""
                group = version.partition("/")[0] if "/" in version else ""
                if version and ("." not in group or group.endswith(".k8s.io")) and "kustomize" not in group:
                    yield f"{name} {found['kind']}", found
                elif version.startswith(CARRIERS):
                    yield from ((f"{name} {inner['kind']}", inner) for inner in carried(found))


def carried(value: object) -> Iterator[JsonObject]:
    """Return claims and pod security contexts, which the CRDs of Tekton let pass unread, as objects of their own."""
    if isinstance(value, list):
        for one in value:
            yield from carried(one)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        if key == "volumeClaimTemplate":
            yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **inner}
        elif key == "volumeClaimTemplates":
            yield from ({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **one} for one in inner)
        elif key == "podTemplate":
            pod = {**inner, "containers": [{"name": "any", "image": "any"}]}
            yield {"apiVersion": "v1", "kind": "Pod", "spec": pod}
        else:
            yield from carried(inner)


OBJECTS = list(objects())


def complaint(found: JsonObject) -> str:
    """Return what kubernetes-validate says of an object; it wants a name."""
    named = copy.deepcopy(found)
    named.setdefault("metadata", {}).setdefault("name", "generated")
    try:
        kubernetes_validate.validate(named, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "found"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_an_object_fits_its_schema(name, found):
    """Unknown fields fail."""
    assert "" == complaint(found)


def test_an_unknown_field_is_found():
    """The check is at work, in a pod as well as in a claim that Tekton carries."""
    for kind in ("CronJob", "PersistentVolumeClaim", "Pod"):
        found = copy.deepcopy(next(one for _, one in OBJECTS if one["kind"] == kind))
        found["spec"]["misspelt"] = 1
        assert "misspelt" in complaint(found)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_once_without_rights_on_its_node(name):
    """A verdict is never overwritten by a second attempt; the root file system is read-only; reports outlive the pod."""
    found = next(yaml.safe_load_all((PIPELINES / name).read_text()))
    spec = found["spec"]["jobTemplate"]["spec"] if found["kind"] == "CronJob" else found["spec"]
    pod = spec["template"]["spec"]
    assert (0, "Never", True) == (spec["backoffLimit"], pod["restartPolicy"], pod["securityContext"]["runAsNonRoot"])
    assert {1, 2, 10, 11, 12} <= set(spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"])
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert ["ALL"] == container["securityContext"]["capabilities"]["drop"]
        assert "/work/reports" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert "canary-reports" == pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
