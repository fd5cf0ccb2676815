"""The fake API server's own schema says what the CRDs say that Istio publishes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from istio_schema import SPECS
from shared_data import ISTIO


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """The schema of ``spec`` by kind in Istio's CRDs."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {}
    for crd in yaml.load_all((ISTIO / "crd-all.gen.yaml").read_text(), Loader=loader):
        if crd and crd["spec"]["group"] == "networking.istio.io":
            version = next(item for item in crd["spec"]["versions"] if item["name"] == "v1" or item["storage"])
            found[crd["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def facts(schema: Any, path: str) -> Iterator[tuple[str, object]]:
    """What the fake API server checks, by path: types, names, required and exclusive fields, enums, durations."""
    rules = [rule.get("rule", "") for rule in schema.get("x-kubernetes-validations", ())]
    groups = (schema.get("oneOf"), *(part.get("oneOf") for part in schema.get("allOf", ())))
    yield path, schema.get("type")
    yield f"{path} required", sorted(schema.get("required", ()))
    yield f"{path} enum", sorted(schema.get("enum", ()))
    yield f"{path} duration", any("duration(self)" in rule for rule in rules)
    yield f"{path} open", schema.get("x-kubernetes-preserve-unknown-fields", False)
    exclusive = [sorted(name for option in group or () for name in option.get("required", ())) for group in groups]
    yield f"{path} exclusive", sorted(names for names in exclusive if names)
    for name, inner in schema.get("properties", {}).items():
        yield from facts(inner, f"{path}.{name}")
    if "items" in schema:
        yield from facts(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from facts(schema["additionalProperties"], f"{path}.*")


@pytest.mark.parametrize("kind", SPECS)
def test_our_schema_is_istios(published: dict[str, Any], kind: str) -> None:
    """Every field, type, required field, enum, exclusive group and duration is the same, and none is missing."""
    assert dict(facts(published[kind], "spec")) == dict(facts(SPECS[kind], "spec"))
