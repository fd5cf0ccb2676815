"""What commands print with --json fits the schemas in docs/json-output.md, and every such command is listed there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from recorded import record

from harness import gate, run_folder
from harness.cli import COMMANDS, full_parser, main
from harness.model.json import JsonObject

PAGE = (Path(__file__).parents[2] / "docs" / "json-output.md").read_text(encoding="utf-8")
SCHEMAS: dict[str, JsonObject] = {
    schema["$id"]: schema for schema in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
}


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
    assert len(SCHEMAS) == 8
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
        jsonschema.validate(printed(capsys, *words), SCHEMAS[schema])


def test_every_command_with_json_is_listed() -> None:
    """A command that gets --json has to be added to the page."""
    parser = full_parser()
    (commands,) = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    having = [name for name in COMMANDS if "--json" in commands[name].format_help()]
    assert having
    assert all(f"`harness {name}" in PAGE for name in having)
