"""The bars of the judges hold on simulated streams, in their small form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bars_hold_in_their_small_form():
    """A few seeded runs of every kind of noise and harm stay within the bars; the full form is a command."""
    command = [sys.executable, "benchmarks/judge_bars.py", "--small"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
