"""What commands print with --json fits the schemas in docs/json-output.md, and every such command is listed there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
from json_schemas import PAGE, SCHEMAS, require_fit
from recorded import record

from harness import gate, run_folder
from harness.cli import COMMANDS, full_parser, main
from harness.judge.kayenta.classify import Label
from harness.model.json import JsonObject
from harness.model.load import LoadReport
from harness.model.release import Outcome, Phase


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one scenario, and an unfinished one without any."""
    folder = tmp_path_factory.mktemp("reports")
    for name in ("20261127-090000-aaaa", "20261128-090000-bbbb"):
        run_folder.begin_run(folder / name)
        gate.judge_record(record(), folder / name / "test-a", "sequential")
        run_folder.finish_run(folder / name, 0)
    run_folder.begin_run(folder / "20261129-090000-cccc")
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> JsonObject:
    """The document that a command prints."""
    capsys.readouterr()
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def test_every_schema_is_one() -> None:
    """The blocks are valid schemas, and the names of those with a key agree with it."""
    assert len(SCHEMAS) == 9
    for name, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"].get("schema", {"const": name}) == {"const": name}
        assert f"## {name}" in PAGE


def test_output_fits_its_schema(runs: Path, capsys) -> None:
    """runs, judge, diff and history print what the page says."""
    first, second = (str(runs / name) for name in ("20261127-090000-aaaa", "20261128-090000-bbbb"))
    for schema, words in {
        "harness.runs/1": ("runs", "--out", str(runs)),
        "harness.analysis/1": ("judge", first),
        "harness.diff/1": ("diff", first, second),
        "harness.history/1": ("history", str(runs)),
    }.items():
        require_fit(printed(capsys, *words), schema)


def test_the_pages_words_are_those_of_the_code() -> None:
    """Phases, outcomes, classes and the fields of a load's report are listed completely."""
    release, load, kayenta = (SCHEMAS[f"harness.{name}/1"]["properties"] for name in ("release", "load", "kayenta"))
    assert [*Phase] == release["state"]["properties"]["phase"]["enum"]
    assert [*Outcome, None] == release["state"]["properties"]["outcome"]["enum"]
    assert [*Label] == kayenta["results"]["items"]["properties"]["classification"]["enum"]
    assert [field.name for field in dataclasses.fields(LoadReport)] == load["report"]["required"]


def test_every_command_with_json_is_listed() -> None:
    """A command that gets --json has to be added to the page."""
    parser = full_parser()
    (commands,) = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    having = [name for name in COMMANDS if "--json" in commands[name].format_help()]
    assert having
    assert all(f"`harness {name}" in PAGE for name in having)
