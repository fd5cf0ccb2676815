"""The examples in pipelines/ are what Brigade, Tekton, Argo and Flagger accept; a field that they do not know fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7
from shared_data import SCHEMAS

PIPELINES = Path(__file__).parents[1] / "pipelines"
CRDS = {
    "Task": "tekton/300-task.yaml",
    "Pipeline": "tekton/300-pipeline.yaml",
    "PipelineRun": "tekton/300-pipelinerun.yaml",
    "Workflow": "argo-workflows/argoproj.io_workflows.yaml",
    "CronWorkflow": "argo-workflows/argoproj.io_cronworkflows.yaml",
    "AnalysisTemplate": "argo-rollouts/analysis-template-crd.yaml",
    "Rollout": "argo-rollouts/rollout-crd.yaml",
    "Canary": "flagger/crd.yaml",
}


def strict(schema: Any) -> Any:
    """Return a CRD's schema in which an object with known fields has no others; an API server drops such a field."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    known = isinstance(made.get("properties"), dict) and made.get("type") == "object"
    if known and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    return made


@cache
def _crd(kind: str) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documents = yaml.load_all((SCHEMAS / CRDS[kind]).read_text(), Loader=loader)
    return next(one for one in documents if one and one["spec"]["names"]["kind"] == kind)


@cache
def validator(kind: str, version: str) -> Draft202012Validator:
    """Return a validator of objects of this kind in this version."""
    versions = {one["name"]: one["schema"]["openAPIV3Schema"] for one in _crd(kind)["spec"]["versions"]}
    schema = strict(versions[version])
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(schema)


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a kind that has a CRD, with the place of its file."""
    for path in sorted(PIPELINES.rglob("*.yaml")):
        if "node_modules" in path.parts:
            continue
        for found in yaml.safe_load_all(path.read_text()):
            inner = found.get("data", {}).values() if found.get("kind") == "ConfigMap" else ()
            for one in (found, *map(yaml.safe_load, inner)):
                if one.get("kind") in CRDS:
                    yield str(path.relative_to(PIPELINES)), one


OBJECTS = list(objects())


def errors(found: dict[str, Any]) -> list[str]:
    """Return what is wrong with an object."""
    version = found["apiVersion"].split("/")[1]
    return [
        f"{error.json_path}: {error.message[:200]}" for error in validator(found["kind"], version).iter_errors(found)
    ]


@pytest.mark.parametrize("project", sorted((PIPELINES / "brigade").glob("project*.yaml")), ids=lambda path: path.name)
def test_a_project_of_brigade_fits_its_schema(project: Path) -> None:
    """The schema forbids unknown fields itself."""
    common = Resource(contents=json.loads((SCHEMAS / "brigade/common.json").read_text()), specification=DRAFT7)
    schema = json.loads((SCHEMAS / "brigade/project.json").read_text())
    check = Draft7Validator(schema, registry=Registry().with_resource("common.json", common))
    document = yaml.safe_load(project.read_text())
    assert [] == [error.message for error in check.iter_errors(document)]
    document["spec"]["workerTemplate"]["timeout"] = "4h"
    assert [error for error in check.iter_errors(document) if "timeout" in error.message]


@pytest.mark.parametrize(("file", "found"), OBJECTS, ids=[f"{file}-{found['kind']}" for file, found in OBJECTS])
def test_an_object_fits_its_crd(file: str, found: dict[str, Any]) -> None:
    """Unknown fields fail as well, which an API server only drops."""
    assert [] == errors(found)


@pytest.mark.parametrize(("file", "found"), OBJECTS, ids=[f"{file}-{found['kind']}" for file, found in OBJECTS])
def test_an_unknown_field_fails_anywhere(file: str, found: dict[str, Any]) -> None:
    """A misspelt field in any object of the document is found, except where the CRD lets everything pass."""
    places = list(mappings(found["spec"], ()))
    unseen = [path for path in places if not errors(planted(found, path))]
    assert len(places) > 5
    assert [] == [path for path in unseen if not free(path)]


def mappings(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Return the path of each mapping in a value."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from mappings(inner, (*path, number))


def planted(found: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """Return a copy with an unknown field in the mapping at ``path`` of its spec."""
    copy: dict[str, Any] = json.loads(json.dumps(found))
    place: Any = copy["spec"]
    for key in path:
        place = place[key]
    place["misspelt"] = {}
    return copy


def free(path: tuple[str | int, ...]) -> bool:
    """Whether the CRD itself lets every field pass there; ``make pipelines-check`` checks these as objects of Kubernetes."""
    return (
        "volumeClaimTemplate" in path
        or path[-2:] == ("podTemplate", "securityContext")
        or path[-1:] == ("supplied",)
        or ("job" in path and "volumes" in path)
    )


def test_the_examples_of_tekton_and_argo_are_all_checked() -> None:
    """Every kind that has a CRD here is in use; the run inside the nightly ConfigMap counts too."""
    assert set(CRDS) == {found["kind"] for _, found in OBJECTS}
    assert 2 == sum(found["kind"] == "PipelineRun" for _, found in OBJECTS)
