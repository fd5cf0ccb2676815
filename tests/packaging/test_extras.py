"""The demo without a clone and without its extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.demo import PROJECT

INSTALL = "pip install 'canary-harness[demo]'"


@pytest.fixture
def without_aiohttp(monkeypatch):
    """An environment in which the extra ``demo`` is not installed."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    for name in [name for name in sys.modules if name.startswith("harness.demo.")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_missing_extra_is_named_with_the_command_that_installs_it(without_aiohttp, tmp_path, monkeypatch, capsys):
    """The demo ends before it starts anything; exit code 12 says that the environment is in trouble."""
    monkeypatch.chdir(tmp_path)
    assert 12 == main(["demo"])
    assert (
        f"expected the package aiohttp for the demo's services, found none; run: {INSTALL}" in capsys.readouterr().err
    )
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("service", ["details", "productpage", "ratings", "reviews"])
def test_a_service_that_cannot_start_names_the_missing_extra(service, tmp_path):
    """A service started by ``harness up`` or by a scenario ends with the command as its last line."""
    code = f"import runpy, sys; sys.modules['aiohttp'] = None; runpy.run_module('harness.demo.{service}', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert done.stderr.rstrip().endswith(f"found none; run: {INSTALL}")


def test_doctor_names_the_missing_extra(without_aiohttp, tmp_path, monkeypatch, capsys):
    """Only the demo needs it, so doctor still says that the harness works."""
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["doctor"])
    said = capsys.readouterr().out
    assert "none  demo           aiohttp is not installed" in said
    assert INSTALL in said


def test_a_copy_of_the_demo_is_a_complete_project(tmp_path, monkeypatch, capsys):
    """``--copy`` writes configuration with its schema, Istio resources, load profile and scenarios; doctor accepts it."""
    folder = tmp_path / "my shop"
    assert 0 == main(["demo", "--copy", str(folder)])
    assert f"cd '{folder}' && harness run" in capsys.readouterr().out
    files = [
        path.relative_to(PROJECT) for path in PROJECT.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    files.append(Path("harness.schema.json"))
    assert sorted(files) == sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert "$schema=harness.schema.json\n" in (folder / "harness.yaml").read_text()
    monkeypatch.chdir(folder)
    assert 0 == main(["doctor"])
    assert "ok    configuration  harness.yaml: reviews" in capsys.readouterr().out


def test_a_copy_overwrites_nothing(tmp_path, capsys):
    """A folder with files in it is refused and stays as it is."""
    (tmp_path / "harness.yaml").write_text("mine")
    assert 2 == main(["demo", "--copy", str(tmp_path)])
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert ["harness.yaml"] == [path.name for path in tmp_path.iterdir()]
