"""Every command line of ``harness`` in an example is one that the parser accepts."""

import contextlib
import io
from pathlib import Path

import command_lines
import pytest
from command_lines import FOLDERS, ROOT

from harness.cli import full_parser

LINES = command_lines.command_lines()


@pytest.fixture(scope="module")
def parser():
    """The parser of the command line, with every command."""
    return full_parser()


def complaint_of(parser, line):
    """What the parser writes about a command line that it refuses."""
    written = io.StringIO()
    with contextlib.redirect_stderr(written), contextlib.suppress(SystemExit):
        parser.parse_args(list(line.words))
    return written.getvalue()


@pytest.mark.parametrize("line", LINES, ids=str)
def test_the_parser_accepts_it(parser, line):
    """With its options and values; a variable is replaced by a word."""
    assert "" == complaint_of(parser, line)


def test_no_example_is_overlooked():
    """Each folder of pipelines/ runs harness, unless its tool asks the server."""
    found = {line.file for line in LINES}
    asking = {"flagger", "kayenta"}
    for folder in sorted(path for path in (ROOT / "pipelines").iterdir() if path.is_dir() and path.name not in asking):
        name = folder.relative_to(ROOT)
        assert any(Path(file).is_relative_to(name) for file in found), f"no command line found in {name}"


def test_a_wrong_option_would_be_found(parser, tmp_path, monkeypatch):
    """Shell, YAML lists and TypeScript are read, and a variable hides nothing that stands next to it."""
    monkeypatch.setattr(command_lines, "ROOT", tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pipelines/a.sh").write_text('# harness comment\nx=1; harness run "$X" --tarject cluster || exit\n')
    (tmp_path / "pipelines/b.yaml").write_text("a:\n- args: [doctor, --colour]\n- run: |\n    harness show latest\n")
    (tmp_path / "pipelines/c.ts").write_text('job.arguments = ["run", "scenarios"]\nsh("harness runs --jsn")\n')
    found = [line.words for line in command_lines.command_lines()]
    assert [
        ("run", "x", "--tarject", "cluster"), ("doctor", "--colour"), ("show", "latest"),
        ("runs", "--jsn"), ("run", "scenarios"),
    ] == found  # fmt: skip
    refused = [line.words[0] for line in command_lines.command_lines() if complaint_of(parser, line)]
    assert ["run", "doctor", "runs"] == refused
