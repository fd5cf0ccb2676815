"""The tests need nothing but the repository."""

import re
from pathlib import Path

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


def test_published_data_is_not_collected_by_a_bare_pytest():
    """The set that needs it is a folder of its own, outside of ``testpaths``."""
    assert 'testpaths = ["tests"]' in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / "tests_shared_data" / "conftest.py").is_file()
