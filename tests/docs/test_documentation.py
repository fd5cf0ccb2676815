"""The documentation is true: its code runs, its settings are read, its commands are parsed, its links lead somewhere."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from harness.cli import full_parser
from harness.config import read_config
from harness.config.keys import Keys

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reference")]
SERVICE = {"command": ["{python}", "-m", "http.server", "{port}"], "port": 80, "versions": {"v2": None, "v3": None}}
MINIMAL = {
    "service": "reviews",
    "arms": {"baseline": "v2", "canary": "v3"},
    "services": {"reviews": SERVICE, "ratings": SERVICE},
}
BUILT_ELSEWHERE = {"writing-a-fault.md", "adding-an-indicator.md"}
"""Pages whose code other tests run as a whole: it is files of a package."""


def blocks(page, parser):
    """The blocks of code of a page."""
    return list(Sybil([parser], path=str(page.parent), pattern=page.name).parse(page).examples())


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name not in BUILT_ELSEWHERE],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_its_python_runs(page):
    """Blocks of a page run one after the other, in one namespace."""
    for block in blocks(page, PythonCodeBlockParser()):
        block.evaluate()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "configuration.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_its_yaml_can_be_read(page, tmp_path):
    """A block with keys of harness.yaml is a valid part of it; every other block is valid YAML.

    The reference of all keys has a test of its own.
    """

    def read(block):
        for document in yaml.safe_load_all(block.parsed):
            if isinstance(document, dict) and set(document) <= set(Keys.fields_by_key()):
                check(document)

    def check(document):
        file = tmp_path / "harness.yaml"
        file.write_text(yaml.safe_dump(MINIMAL | {"load": {"folders": ["."]}} | document))
        for pattern in document.get("istio", ()):
            placed = tmp_path / pattern.replace("*", "x")
            placed.parent.mkdir(parents=True, exist_ok=True)
            placed.write_text("")
        for named in [document.get("judge", {}).get("calibration"), *document.get("load", {}).get("folders", ())]:
            if named:
                (tmp_path / named).mkdir(parents=True, exist_ok=True)
        read_config(file)

    for block in blocks(page, CodeBlockParser("yaml", evaluator=read)):
        block.evaluate()


def commands(page):
    """The words of each command line of harness in the blocks of a page."""
    for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if re.match(r"(\.venv/bin/)?harness [a-z]", line):
                words = shlex.split(line, comments=True)[1:]
                ends = [at for at, word in enumerate(words) if word in {"|", "||", "&&", ";", ">", ">>"}]
                yield words[: ends[0]] if ends else words


@pytest.fixture(scope="module")
def parser():
    """The parser of the command line, with every command."""
    return full_parser()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_its_commands_are_parsed(parser, page):
    """Each command line of harness in a block has the options and values that the parser knows."""
    for words in commands(page):
        written = io.StringIO()
        with contextlib.redirect_stderr(written), contextlib.suppress(SystemExit):
            parser.parse_args(list(words))
        assert "" == written.getvalue(), words


def test_the_site_builds_without_a_warning(tmp_path):
    """No link is broken, and the reference is written from the code."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "harness release" in (tmp_path / "reference/commands.html").read_text()


def test_links_of_the_readme_lead_somewhere():
    """GitHub shows the page without building anything."""
    targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert [] == [target for target in targets if not (ROOT / target).exists()]


def test_the_readme_is_short():
    """Everything else is a page of the documentation."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
