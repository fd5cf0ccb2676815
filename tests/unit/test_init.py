"""``harness init`` writes a project that can be run, and overwrites nothing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.config import read_config
from harness.config.schema import EDITOR_LINE

SERVICE = [sys.executable, "service.py", "{port}"]
FLAGS = ["--service", "shop", "--baseline", f"{sys.executable} service.py {{port}}"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder except for a service, in which the command runs without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    (tmp_path / "service.py").write_text("")
    return tmp_path


def test_flags_are_enough(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration is valid and contains the given commands; the last line names the next command."""
    assert 0 == main(["init", *FLAGS, "--canary", f"{sys.executable} 'service.py' --new {{port}}", "--path", "/cart"])
    text = (folder / "harness.yaml").read_text()
    assert [EDITOR_LINE, "# Is the new build of shop as good as the running one?"] == text.splitlines()[:2]
    assert (folder / "harness.schema.json").is_file()
    config = read_config(folder / "harness.yaml")
    assert ("shop", "v1", "v2", "shop", "local") == (
        config.service,
        config.baseline,
        config.canary,
        config.load.profile,
        config.target,
    )
    assert tuple(SERVICE) == config.workload("shop", "v1").command
    assert (sys.executable, "service.py", "--new", "{port}") == config.workload("shop", "v2").command
    assert "/cart" == config.services["shop"].health
    assert '"/cart", name="/cart"' in (folder / "loadprofiles" / "shop.py").read_text()
    assert "canary.run()" in (folder / "scenarios" / "test_shop.py").read_text()
    assert "testpaths = scenarios" in (folder / "pytest.ini").read_text()
    assert yaml.safe_load((folder / ".github" / "workflows" / "canary.yml").read_text())["jobs"]
    assert "next   harness run" == capsys.readouterr().out.splitlines()[-1]


def test_files_that_exist_are_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If any of the files exists, nothing is written unless --force is given."""
    (folder / "harness.yaml").write_text("mine")
    assert 2 == main(["init", *FLAGS])
    assert "found them; --force overwrites them" in capsys.readouterr().err
    assert ["harness.yaml", "service.py"] == sorted(file.name for file in folder.iterdir())
    assert "mine" == (folder / "harness.yaml").read_text()
    assert 0 == main(["init", *FLAGS, "--force"])
    assert "mine" != (folder / "harness.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected --service, found nothing"),
        (["--service", "shop"], "expected --baseline, found nothing"),
        ([*FLAGS, "--path", "cart"], "--path: expected a path that starts with /, found 'cart'"),
        ([*FLAGS, "--calls", "URL=ratings"], "expected a --dependency, found 'ratings'; known: none"),
        ([*FLAGS, "--dependency", "ratings"], "--dependency: expected NAME=COMMAND, found 'ratings'"),
        (["--service", "shop", "--baseline", "'open {port}"], "expected a command as for a shell"),
    ],
)
def test_a_missing_or_wrong_answer_is_refused(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal nothing is asked, and nothing is written."""
    assert 2 == main(["init", *words])
    assert message in capsys.readouterr().err
    assert ["service.py"] == [file.name for file in folder.iterdir()]


def test_a_command_that_does_not_exist_is_found_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The files are written so that they can be corrected, and the message names the place."""
    assert 2 == main(["init", "--service", "shop", "--baseline", f"{sys.executable} servise.py {{port}}"])
    assert "did you mean 'service.py'?" in capsys.readouterr().err


def test_a_terminal_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command asks only for what no option gave; an empty answer takes the default."""
    dependencies = f"db\n{sys.executable} service.py\nDB_URL\nmail\n{sys.executable} service.py\n\n\n"
    terminal = io.StringIO(f"shop\n{sys.executable} service.py {{port}}\n\n/cart\n\n{dependencies}")
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert 0 == main(["init", "--ci", "none"])
    config = read_config(folder / "harness.yaml")
    assert config.workload("shop", "v1").command == config.workload("shop", "v2").command == tuple(SERVICE)
    assert "/cart" == config.services["shop"].health
    assert {"DB_URL": "db"} == config.services["shop"].calls
    assert 'DEPENDENCIES = ["db", "mail"]' in (folder / "scenarios" / "test_shop.py").read_text()
    assert not (folder / ".github").exists()


def test_dependencies_get_faults_and_their_urls(folder: Path) -> None:
    """Names and commands that YAML would read as something else are put into quotes."""
    words = ["--dependency", f"on={sys.executable} service.py", "--calls", "RATINGS_URL=on", "--ci", "gitlab"]
    assert 0 == main(["init", *FLAGS, *words])
    config = read_config(folder / "harness.yaml")
    assert {"RATINGS_URL": "on"} == config.services["shop"].calls
    assert {"PORT": "{port}"} == config.workload("on", "v1").env
    assert 'DEPENDENCIES = ["on"]' in (folder / "scenarios" / "test_shop.py").read_text()
    assert yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["canary"]


def test_settings_of_pytest_are_left_alone(folder: Path) -> None:
    """A second file of settings would override the first one."""
    (folder / "pyproject.toml").write_text("")
    assert 0 == main(["init", *FLAGS])
    assert not (folder / "pytest.ini").exists()


def test_another_folder_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    """The next command begins with cd into that folder."""
    Path("new project").mkdir()
    Path("new project/service.py").write_text("")
    assert 0 == main(["init", "new project", *FLAGS])
    assert "next   cd 'new project' && harness run" == capsys.readouterr().out.splitlines()[-1]
