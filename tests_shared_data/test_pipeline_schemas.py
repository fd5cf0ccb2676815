"""The examples in pipelines/ are what Brigade, Tekton and Argo Workflows accept; a field that they do not know fails."""

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
    found: dict[str, Any] = yaml.load((SCHEMAS / CRDS[kind]).read_text(), Loader=loader)
    return found


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
        if "node_modules" in path.parts or path.name.startswith("."):
            continue
        for found in yaml.safe_load_all(path.read_text()):
            if isinstance(found, dict) and found.get("kind") in CRDS:
                yield str(path.relative_to(PIPELINES)), found


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
