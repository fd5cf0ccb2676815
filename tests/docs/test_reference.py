"""The reference is what the code says: exit codes, errors, indicators, faults, and the format of bundles."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from harness import bundle, errors
from harness.cli import COMMANDS, EXIT_CODES
from harness.faults import known_faults
from harness.judge.indicators import BUILT_IN
from harness.model import exit_codes
from harness.model.verdict import Verdict
from harness.plugin.account import CODES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    """The module that writes the reference."""
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raised() -> list[type[Exception]]:
    """Every error of the harness."""
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    return [kind for kind in found if issubclass(kind, Exception)]


def test_the_page_of_exit_codes_has_the_table_of_the_code(generated: ModuleType) -> None:
    """Which codes there are, what each means, and which one decides."""
    assert generated.exit_codes() in (DOCS / "exit-codes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", ["pytest_codes", "junit_states"])
def test_the_page_of_exit_codes_says_what_a_session_does(generated: ModuleType, table: str) -> None:
    """What becomes of pytest's own codes, and the states in JUnit XML."""
    assert getattr(generated, table)() in (DOCS / "exit-codes.md").read_text(encoding="utf-8")


def test_every_code_of_pytest_has_a_row(generated: ModuleType) -> None:
    """A later pytest may have more of them."""
    told = {int(code) for code in re.findall(r"^\| (\d+), ", generated.pytest_codes(), re.MULTILINE)}
    assert {int(code) for code in pytest.ExitCode} - {0} == told


def test_every_code_that_is_returned_has_a_meaning() -> None:
    """Verdicts, errors, and the account of a pytest session give no other code, and the help of commands has them."""
    told = [one.code for one in exit_codes.EXIT_CODES]
    verdicts, kinds = {one.exit_code for one in Verdict}, {kind.exit_code for kind in raised()}
    assert {*verdicts, *kinds, *CODES.values(), exit_codes.INTERRUPTED} == set(told)
    assert sorted(told) == told
    helped = {int(code): name for code, name in re.findall(r"(\d+)   ?(\w+(?: \w+)?)", EXIT_CODES)}
    assert helped == {one.code: one.name for one in exit_codes.EXIT_CODES if one.code != exit_codes.INTERRUPTED}


def test_every_error_has_a_row(generated: ModuleType) -> None:
    """With the code that it leads to."""
    page = generated.raised()
    assert len(raised()) > 30
    for kind in raised():
        assert re.search(rf"^\| `{kind.__name__}` \| .+ \| {kind.exit_code} \|$", page, re.MULTILINE), kind


def test_everything_built_in_has_its_place(generated: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, indicators, faults, and the files of a bundle that hold recorded values."""
    monkeypatch.setenv("COLUMNS", "100")  # which the module sets for the whole process
    assert all(f"## harness {name}\n" in generated.commands() for name in COMMANDS)
    assert all(f"| `{one.spec.names}` |" in generated.indicators() for one in BUILT_IN)
    assert all(f"## {kind}\n" in generated.faults() for kind in known_faults())
    format_ = generated.bundle_format()
    assert f"Format version {bundle.FORMAT_VERSION};" in format_
    assert all(
        name in format_ for name in ("plan.json", "facts.json", "samples.parquet", "hops.ndjson", "analysis.json")
    )
