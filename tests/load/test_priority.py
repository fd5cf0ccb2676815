"""The load generator's priority: raised where that may be, and never a reason not to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = "import sys; from pathlib import Path; from harness.load.child.priority import be_served_first as be; be(Path(sys.argv[1]))"


def ask(autogroup: Path, *, own_session: bool) -> None:
    """Raise the priority of a new process whose autogroup is the given file."""
    words = [sys.executable, "-c", ASK, str(autogroup)]
    subprocess.run(words, check=True, cwd=ROOT, start_new_session=own_session)


def test_a_refused_priority_does_not_stop_the_load(tmp_path):
    """The kernel may refuse the write with any error, as it does when another process has just written."""
    ask(tmp_path, own_session=True)


def test_a_terminals_session_keeps_its_priority(tmp_path):
    """Started by hand, the load shares its session with the person's shell, which is not ours to change."""
    ask(tmp_path / "autogroup", own_session=False)
    assert not (tmp_path / "autogroup").exists()
