"""The load generator's priority: raised where that may be, and never a reason not to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from load_runs import READ, plan

from harness.load.parent.locust import LocustLoad

ROOT = Path(__file__).parents[2]
ASK = """
import sys
from pathlib import Path
from harness.load.child.priority import raise_priority
raise_priority(own_session=sys.argv[2] == "True", autogroup=Path(sys.argv[1]))
"""


def ask(autogroup: Path, *, own_session: bool) -> None:
    """Raise the priority of a new process whose autogroup is the given file."""
    subprocess.run([sys.executable, "-c", ASK, str(autogroup), str(own_session)], check=True, cwd=ROOT)


def may_raise_priorities() -> bool:
    """Whether this user may, and this kernel weighs sessions at all."""
    words = [sys.executable, "-c", "import os; os.setpriority(os.PRIO_PROCESS, 0, -15)"]
    may = subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return may and Path("/proc/self/autogroup").exists()


def test_a_refused_priority_does_not_stop_the_load(tmp_path):
    """The kernel may refuse the write with any error, as it does when another process has just written."""
    ask(tmp_path, own_session=True)


def test_a_terminals_session_keeps_its_priority(tmp_path):
    """Started by hand, the load shares its session with the person's shell, which is not ours to change."""
    ask(tmp_path / "autogroup", own_session=False)
    assert not (tmp_path / "autogroup").exists()


@pytest.mark.skipif(not may_raise_priorities(), reason="needs the right to raise priorities, and Linux's autogroups")
def test_the_load_of_a_run_weighs_more_than_what_it_measures(tmp_path, target, profile):
    """The harness starts it in a session of its own, under a supervisor that leads it: that session is raised."""
    with LocustLoad().start(plan(profile(READ), target.url, rate=20, seconds=10), tmp_path) as run:
        (process,) = [folder for folder in Path("/proc").iterdir() if _is_load(folder, tmp_path)]
        assert (process / "autogroup").read_text().split()[-1] == "-15"
        run.finish()


def _is_load(process: Path, folder: Path) -> bool:
    """Whether a folder of /proc is the Locust that was ordered to write into ``folder``, and not its supervisor."""
    try:
        words, environment = (process / "cmdline").read_text().split("\0"), (process / "environ").read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return words[1:3] == ["-m", "locust"] and str(folder) in environment
