"""The short form of ``make soak``: a run that is killed at any step leaves nothing."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from fake_outcome import run_on_fake_parts

from harness import bundle
from harness.clients.processes.ports import free_ports

ROOT = Path(__file__).parents[2]
KILLS = 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_steps_all_over_a_run_leave_nothing() -> None:
    """SIGKILL at two steps, one early and one late in the run: no process, no lease, no misread bundle."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/soak.py"), "--kills", str(KILLS), "--minutes", "0", "--whole-runs", "1"],
        capture_output=True, text=True, check=False, timeout=850, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"killed .*nothing left", done.stdout)) == KILLS, done.stdout
    assert f"{KILLS} of {KILLS} runs were killed; left behind: 0" in done.stdout


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr(tempfile, "tempdir", None)  # the program sets it
    return importlib.import_module("soak")


def test_a_run_that_ends_by_itself_is_not_left_behind(soak: ModuleType, tmp_path: Path) -> None:
    """It did not come by its step. Only if many do so, the kills have shown too little."""
    kills = soak.Kills(folder=tmp_path, count=1000, lanes=1, deadline=0.0, killed=997)
    assert kills.summary(1000) == "997 of 1000 runs were killed, 3 ended by themselves; left behind: 0"
    assert soak.too_few(997, 1000) == soak.too_few(0, 0) == soak.too_few(9, 10) == []
    assert soak.too_few(8, 10) == ["expected to kill at least 90% of 10 runs, killed 8: look at their steps"]


def test_no_kill_aims_at_a_step_of_one_run_alone(soak: ModuleType) -> None:
    """Only the first run came by b, for example because something had to be tried again."""
    assert soak.in_all([["a", "b", "c", "d"], ["a", "d", "c", "e"]]) == ["a", "c", "d"]
    assert soak.in_all([["a", "b"]]) == ["a", "b"]


def test_what_is_left_is_found(soak: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the mark, a bundle of half a run, and a lease under a name that no run removes are reported."""
    monkeypatch.setattr(soak, "END_S", 0.2)
    subject = soak.Soak(tmp_path, tmp_path / "tmp")
    subject.prepare()
    environment = {**os.environ, "HARNESS_SOAK_MARK": subject.mark}
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
    try:
        assert subject.left_processes() == [f"process {process.pid}"]
    finally:
        process.kill()
        process.wait()
    bundle.write_bundle(run_on_fake_parts(tmp_path).record, tmp_path / "reports/run/whole")
    half = replace(run_on_fake_parts(tmp_path).record, phases=())
    bundle.write_bundle(half, tmp_path / "reports/run/half")
    (tmp_path / "reports/run/unfinished").mkdir()
    (misread,) = subject.misread_bundles(set())
    assert misread.startswith(f"{tmp_path}/reports/run/half: is read as a whole run with the phases []")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    free_ports(3)
    assert soak.left_leases(tmp_path / "tmp") == []
    (next((tmp_path / "tmp").iterdir()) / "old-lease").touch()
    assert soak.left_leases(tmp_path / "tmp") == ["lease of port old-lease"]
