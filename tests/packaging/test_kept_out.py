"""What was deleted, renamed or merged does not come back."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import harness

HOUSE = Path(harness.__file__).parent
DELETED = {"HttpFault", "files_in", "both_arms", "stop_early", "reduce_scrapes", "SliKind", "FreeHand", "_Run"}
OLD_NAMES = """
    watching freehand pulse guard guards asking literal hanging order child part conductor by_hand shipping looks doubts
    points unjudged words reach settling undoing own_counts opening warden patiently test_traffic test_shares
"""
REPOSITORY = Path(__file__).resolve().parents[2]
GIVEN_UP = re.compile(r"(?i)\b(?:beside|mend(?:ed|ing|s)?|whoever|anew|thus|deeds?|hitherto|put back)\b(?! into)")
PROCESSES = ("child", "processes")
"""A child process is what the field calls it."""


@cache
def modules() -> dict[Path, ast.Module]:
    """The syntax trees of all modules."""
    paths = [path for path in HOUSE.rglob("*.py") if "demo/project" not in path.as_posix()]
    return {path: ast.parse(path.read_text()) for path in paths}


def names(tree: ast.Module) -> set[str]:
    """The names that a module defines or uses."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def calls(name: str) -> set[str]:
    """The modules that call a function or a class of this name."""
    return {
        path.relative_to(HOUSE).as_posix()
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    }


def test_deleted_things_stay_deleted() -> None:
    """No module defines or uses them, and the two modules of Kayenta that nothing used are gone."""
    found = {path.name: names(tree) & DELETED for path, tree in modules().items()}
    assert {} == {name: deleted for name, deleted in found.items() if deleted}
    assert [] == [path for path in modules() if path.parent.name == "kayenta" and path.stem in {"queries", "mixer"}]


def test_modules_have_names_of_the_field() -> None:
    """The private names of modules are gone."""
    found = {(path.stem, path.parent.name) for path in modules() if path.stem in OLD_NAMES.split()}
    assert set() == found - {PROCESSES}


def test_one_engine_carries_out_every_run() -> None:
    """Declared and interactive runs and the search for breaking points make it, and nobody else."""
    assert {"runner/declared_run.py", "runner/interactive_run.py", "explore/exploration.py"} == calls("Engine")


@pytest.mark.parametrize(
    ("library", "user"),
    [("tenacity", "clients/kubernetes/retry.py"), ("pydantic", "config/section.py"), ("pydantic", "recorded_json.py")],
)
def test_kept_libraries_do_what_they_can(library: str, user: str) -> None:
    """Retries, settings, and values that are read from files have no code of their own."""
    imported = {node.module for node in ast.walk(modules()[HOUSE / user]) if isinstance(node, ast.ImportFrom)}
    assert library in imported


def test_the_extra_client_is_outside_the_default_import() -> None:
    """Only its own module names LeanUser in code."""
    assert {"load/users/lean.py"} == {
        path.relative_to(HOUSE).as_posix() for path, tree in modules().items() if "LeanUser" in names(tree)
    }


def test_people_read_words_of_the_field() -> None:
    """Documentation, docstrings, comments and messages do without words that nobody in the field uses."""
    files = [*modules(), *(path for path in (REPOSITORY / "docs").rglob("*.md") if path.parent.name != "reference")]
    files += [REPOSITORY / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    found = {f"{path.name}: {word}" for path in files for word in GIVEN_UP.findall(path.read_text())}
    assert set() == found


def test_a_silenced_type_checker_says_why() -> None:
    """Each ``type: ignore`` names the rule and the reason."""
    bare = re.compile(r"# type: ignore(\[[\w, -]+\])?\s*$", re.MULTILINE)
    assert [] == [path.name for path in modules() if bare.search(path.read_text())]
