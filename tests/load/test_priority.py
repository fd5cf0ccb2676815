"""The load generator raises its priority where it may, and runs in any case."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from load_runs import READ, plan

from harness.clients.processes.priority import raise_priorities
from harness.load.parent.locust import LocustLoad

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from harness.clients.processes.priority import raise_priority
raise_priority(own_session=sys.argv[2] == "True", autogroup=Path(sys.argv[1]))
"""


def raise_in_child(autogroup: Path, *, own_session: bool) -> None:
    """Raise the priority of a new process whose autogroup is the given file."""
    subprocess.run([sys.executable, "-c", PROGRAM, str(autogroup), str(own_session)], check=True, cwd=ROOT)


def may_raise_priorities() -> bool:
    """Return whether this user may raise priorities and the kernel has autogroups."""
    words = [sys.executable, "-c", "import os; os.setpriority(os.PRIO_PROCESS, 0, -15)"]
    may = subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return may and Path("/proc/self/autogroup").exists()


def test_a_refused_priority_does_not_stop_the_load(tmp_path):
    """The kernel may refuse the write with any error, as it does when another process has just written."""
    raise_in_child(tmp_path, own_session=True)


def test_priorities_of_other_processes_are_raised(tmp_path):
    """Of those that are there; nothing stops at one that has ended or that may not be changed."""
    for pid in (1, 3):
        (tmp_path / str(pid)).mkdir()
    raise_priorities((1, 2, 3), tmp_path)
    assert ["-15", "-15"] == [(tmp_path / str(pid) / "autogroup").read_text() for pid in (1, 3)]


def test_a_terminals_session_keeps_its_priority(tmp_path):
    """When a person starts Locust, it shares the session of the shell, whose priority must not change."""
    raise_in_child(tmp_path / "autogroup", own_session=False)
    assert not (tmp_path / "autogroup").exists()


@pytest.mark.skipif(not may_raise_priorities(), reason="needs the right to raise priorities, and Linux's autogroups")
def test_the_load_generator_has_a_higher_priority_than_the_services(tmp_path, target, profile):
    """The harness starts it in a session of its own, led by a supervisor, and raises that session's priority."""
    with LocustLoad().start(plan(profile(READ), target.url, rate=20, seconds=10), tmp_path) as run:
        (process,) = [folder for folder in Path("/proc").iterdir() if _is_load(folder, tmp_path)]
        assert (process / "autogroup").read_text().split()[-1] == "-15"
        run.finish()


def _is_load(process: Path, folder: Path) -> bool:
    """Return whether a folder of /proc belongs to the Locust that writes into ``folder``, not to its supervisor."""
    try:
        words, environment = (process / "cmdline").read_text().split("\0"), (process / "environ").read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return words[1:3] == ["-m", "locust"] and str(folder) in environment
