"""The JSON Schema and the key reference are made from the models, so that neither can be out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from harness.cli import main
from harness.config import read_config
from harness.config.keys import Keys
from harness.config.schema import EXAMPLE_FILE, SCHEMA_FILE, reference, schema, schema_text
from harness.demo import PROJECT
from harness.errors import ConfigError
from harness.judge.objectives import parse_objective

ROOT = Path(__file__).parents[2]
MINIMAL = {
    "service": "reviews",
    "arms": {"baseline": "v1", "canary": "v2"},
    "services": {"reviews": {"versions": {"v1": None, "v2": {}}}},
}


def accepted(document: object) -> bool:
    """Return whether the schema accepts a document."""
    return Draft202012Validator(schema()).is_valid(document)


def project(folder: Path, text: str) -> Path:
    """A folder with a configuration and the files that the example names."""
    for name in ("istio/rules.yaml", "loadprofiles/browse.py", "calibration.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    file = folder / "harness.yaml"
    file.write_text(text)
    return file


def all_keys(model: Any, path: str = "") -> set[str]:
    """Every key of a model and of the models below it, without the names that a user chooses."""
    found: set[str] = set()
    for key, field in model.fields_by_key().items():
        found.add(f"{path}{key}")
        for below in models_in(field.annotation):
            found |= all_keys(below, f"{path}{key}.")
    return found


def models_in(kind: Any) -> list[Any]:
    """The models that a type mentions."""
    if hasattr(kind, "fields_by_key"):
        return [kind]
    return [model for one in getattr(kind, "__args__", ()) for model in models_in(one)]


def keys_in(value: Any, path: str = "") -> set[str]:
    """Every dotted key of a document; positions in lists and names below services and the like are left out."""
    if isinstance(value, list):
        return {key for item in value for key in keys_in(item, path)}
    if not isinstance(value, dict):
        return set()
    if path.endswith((".labels.", ".env.", ".calls.", ".headers.", ".gates.", ".header.", "release.first.")):
        return set()
    found: set[str] = set()
    for key, item in value.items():
        place = f"{path}{key}"
        found.add(place)
        named = place in {
            "services",
            "services.ports",
            "services.versions",
            "gauges",
            "indicators",
            "cluster.proxies",
            "serve.repositories",
            "stand-ins",
        }
        for one in item.values() if named else (item,):
            found |= keys_in(one, f"{place}.")
    return found


def test_the_stored_schema_is_current():
    """The file in the package is what the models give; run: harness config schema > harness/config/harness.schema.json."""
    assert schema_text() == SCHEMA_FILE.read_text(encoding="utf-8")


def test_the_schema_is_a_schema():
    """The schema is valid by the rules of its own draft."""
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "file",
    [ROOT / "harness.yaml", PROJECT / "harness.yaml", EXAMPLE_FILE, *ROOT.glob("scenarios/*/harness.yaml")],
    ids=str,
)
def test_a_configuration_of_the_project_fits_the_schema(file):
    """An editor that knows the schema finds no mistake in a file that can be read."""
    assert [] == list(Draft202012Validator(schema()).iter_errors(yaml.safe_load(file.read_text())))


@pytest.mark.parametrize(
    ("section", "good"),
    [
        ({"lod": {}}, False),
        ({"load": None}, True),
        ({"load": {"rate": "fast"}}, False),
        ({"load": {"arrivals": "poison"}}, False),
        ({"split": "20%"}, True),
        ({"split": 20}, True),
        ({"split": {"by": "mirror", "share": 100}}, True),
        ({"split": "a fifth"}, False),
        ({"split": {"by": "cookie"}}, False),
        ({"phases": {"steady": "1m30s"}}, True),
        ({"phases": {"steady": 12.5}}, True),
        ({"phases": {"steady": "5 seconds"}}, False),
        ({"phases": {"steady": -1}}, False),
        ({"objectives": []}, False),
        ({"objectives": ["error_rate < +1pp", {"objective": "split within 1pp", "muted": True}]}, True),
        ({"objectives": [{"weight": 2}]}, False),
        ({"guards": {"misses": 0}}, False),
        ({"cluster": {"owners": ["argocd"], "limits": {"dose": "20%"}}}, True),
        ({"cluster": {"owners": ["argo"]}}, False),
        ({"cluster": {"opt-in": "enabled"}}, False),
        ({"judge": {"alpha": 2}}, False),
        ({"prometheus": "localhost:9090"}, False),
    ],
    ids=str,
)
def test_the_schema_and_the_reader_agree(tmp_path, section, good):
    """The reader accepts and refuses the same documents as the schema."""
    document = MINIMAL | section
    file = project(tmp_path, yaml.safe_dump(document))
    assert good == accepted(document)
    if good:
        read_config(file)
    else:
        with pytest.raises(ConfigError):
            read_config(file)


def test_the_schema_tells_defaults_as_the_file_says_them():
    """An editor that fills in a default writes a percentage or a duration, not a ratio or seconds."""
    sections = schema()["$defs"]
    assert "90%" == sections["GuardKeys"]["properties"]["error-ceiling"]["default"]
    assert "5s" == sections["PhaseKeys"]["properties"]["warm-up"]["default"]


def test_every_key_has_a_meaning():
    """A key without a docstring would be undocumented everywhere."""
    described = [
        (name, key)
        for name, section in schema()["$defs"].items()
        for form in (section, *section.get("anyOf", ()))
        for key, value in form.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    assert [] == described


def test_the_reference_has_every_key():
    """The example contains every key of the models."""
    assert all_keys(Keys) == keys_in(yaml.safe_load(reference()))


def test_the_reference_can_be_read(tmp_path):
    """The example, with its comments, is a valid configuration."""
    config = read_config(project(tmp_path, reference()))
    assert config.istio == (tmp_path / "istio" / "rules.yaml",)
    assert config.objectives[1] == parse_objective("latency_p99 < +10%", weight=2, group="latency", critical=True)
    assert config.workload("billing", "v1").address == "127.0.0.1:8080"
    assert config.cluster.limits.duration_s == 900


def test_the_reference_explains_each_key_once():
    """A comment above a key has its meaning and its default; the same comment is not repeated."""
    lines = reference().splitlines()
    at = lines.index("  error-ceiling: 90%")
    assert "Default: 90%." in lines[at - 1]
    assert 1 == sum("The versions of the service, by name. Required." in line for line in lines)


def test_the_reference_in_the_documentation_is_current():
    """docs/configuration.md shows what harness config reference prints."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert f"```yaml\n{reference()}```\n" in page


def test_the_command_prints_schema_and_reference(capsys):
    """Both are printed to standard output without additions, so that they can be redirected into a file."""
    for what, expected in (("schema", schema_text()), ("reference", reference())):
        assert 0 == main(["config", what])
        assert expected == capsys.readouterr().out


def test_the_command_checks_a_file(tmp_path, capsys):
    """The command confirms a good file; a mistake is wrong usage, and the message names line and key."""
    assert 0 == main(["config", "check", "--config", str(project(tmp_path, yaml.safe_dump(MINIMAL)))])
    assert "no mistakes; reviews, baseline v1, canary v2" in capsys.readouterr().out
    assert 2 == main(["config", "check", "--config", str(project(tmp_path, yaml.safe_dump(MINIMAL | {"lod": 1})))])
    assert "lod: unknown key, did you mean 'load'?" in capsys.readouterr().err
