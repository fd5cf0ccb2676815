"""A run that goes on is called running everywhere, never trouble; one that was killed is not called running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import run_pages

from harness.cli import main
from harness.history.index import NAME
from harness.history.runs import updated
from harness.model.verdict import Verdict
from harness.report.run_index import write_index
from harness.run_folder import finish_run, read_run, working_on
from harness.server.catalog import Catalog

HOLD = "import sys, time\nfrom pathlib import Path\nfrom harness.run_folder import working_on\nwith working_on(Path(sys.argv[1])):\n    print('on', flush=True)\n    time.sleep(600)"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one verdict, and a scenario that has not ended."""
    folder = run_pages.run_of(tmp_path / "20261128-090000-aaaa", Verdict.PASS, code=None)
    (folder / "test_more").mkdir()
    return folder


def states(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What the command and the pages of ``harness serve`` call the only run in a folder."""
    capsys.readouterr()
    assert main(["runs", "--out", str(folder), "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["runs"]
    (shown,) = Catalog(folder).runs()
    return listed["worst"], shown.state


def test_it_is_running_until_it_ends(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list, the pages and the page of the run say so; the history waits for its end; there is no verdict yet."""
    out = run.parent
    with working_on(run):
        assert states(out, capsys) == ("running", "running")
        assert main(["runs", "--out", str(out)]) == 0
        assert "unfinished" not in capsys.readouterr().out
        text = write_index(run).read_text(encoding="utf-8")
        assert "The run is under way" in text
        assert "the scenario is under way" in text
        assert main(["show", "latest", "--out", str(out)]) == 12
        assert "the run is under way" in capsys.readouterr().err
        assert updated(out, out / NAME).runs == ()
        with working_on(run):  # another process of the same session
            pass
        assert read_run(run).under_way
        (shown,) = Catalog(out).runs()
        assert {"pass", "running"} == {one.state for one in shown.scenarios}
    assert states(out, capsys) == ("trouble", "trouble")
    assert "an unfinished run" in read_run(run).trouble
    (run / "test_more").rmdir()
    finish_run(run, 0)
    assert states(out, capsys) == ("pass", "pass")


def test_a_killed_run_is_not_running(run: Path) -> None:
    """The system takes the sign back, whatever ended the process."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "on\n"
            assert read_run(run).under_way
        finally:
            process.kill()
    assert not read_run(run).under_way
