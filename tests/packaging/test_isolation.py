"""The tests need nothing but the repository."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from needed import needed_program

ROOT = Path(__file__).parents[2]
CLIMB = re.compile(r"parents\[(\d+)\]((?:\.parent)*)")


def climbs_out(path, text):
    """The expressions in a test file that lead from it to a folder above the repository."""
    depth = len(path.relative_to(ROOT).parts) - 1  # parents[depth] is the repository
    return [found[0] for found in CLIMB.finditer(text) if int(found[1]) + found[2].count(".parent") > depth]


def test_a_path_above_the_repository_is_noticed():
    """From tests/unit/x.py the repository is parents[2]."""
    file = ROOT / "tests" / "unit" / "x.py"
    assert [] == climbs_out(file, "Path(__file__).parents[2] / 'harness.yaml'")
    assert ["parents[3]"] == climbs_out(file, "Path(__file__).resolve().parents[3] / 'data'")
    assert ["parents[2].parent"] == climbs_out(file, "Path(__file__).parents[2].parent / 'data'")


def test_no_test_reads_files_above_the_repository():
    """Published data belongs into tests_shared_data/, which is told where it is."""
    files = [file for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)]
    assert len(files) > 100
    texts = {file: file.read_text() for file in files}
    assert {} == {str(file): found for file, text in texts.items() if (found := climbs_out(file, text))}
    assert [] == [str(file) for file, text in texts.items() if "HARNESS_TEST_DATA" in text]


def test_no_two_test_files_have_the_same_name():
    """Pytest imports them by their names, so one of two in different folders would end the whole run."""
    names = Counter(file.name for file in (ROOT / "tests").rglob("*.py") if file.name != "conftest.py")
    assert [] == [name for name, count in names.items() if count > 1]


def test_published_data_is_not_collected_by_a_bare_pytest():
    """The set that needs it is a folder of its own, outside of ``testpaths``."""
    assert 'testpaths = ["tests"]' in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / "tests_shared_data" / "conftest.py").is_file()


def test_published_data_that_is_missing_ends_the_run_instead_of_skipping():
    """The message names the variable and what the folder has to hold."""
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_TEST_DATA"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests_shared_data"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert pytest.ExitCode.USAGE_ERROR == ended.returncode, ended.stdout
    assert "make test-shared-data HARNESS_TEST_DATA=FOLDER" in ended.stderr


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_program_is_named_with_the_command_that_installs_it(monkeypatch, ci, outcome):
    """Its tests are skipped with that reason; in CI they fail."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="needs no-such-program to test this: apt-get install no-such-package"):
        needed_program("no-such-program", package="no-such-package", purpose="to test this")


def test_the_first_program_that_is_there_is_taken():
    """Programs have several names."""
    assert needed_program("no-such-program", "sh", package="dash", purpose="to test this").endswith("/sh")
