"""``harness`` for jobs that run on this machine instead of in a cluster: every gate is the real ``harness run``.

Deploying, shifting, promoting and rejecting need a cluster. Here they only note that they were called, in the order that
a release has: the file ``phase`` in the work folder holds what comes next.
"""

import json
import sys
from pathlib import Path

from harness.cli import main

PHASE = Path("phase")
NEXT = {"deploy": "shift", "shift": "gate", "promote": "over", "reject": "over"}


def release(step: str, words: list[str]) -> int:
    """Do a step of a release; return its exit code."""
    with Path("steps").open("a") as steps:
        steps.write(" ".join([step, *words]) + "\n")
    if step == "status":
        sys.stdout.write(json.dumps({"state": {"phase": PHASE.read_text()}}))
        return 0
    if step == "gate":
        code = main(["run", "test_scenario.py"])
        PHASE.write_text("switch" if code == 0 else "held" if code in {10, 11} else "over")
        return code
    PHASE.write_text(NEXT[step])
    return 0


if sys.argv[1] == "release":
    sys.exit(release(sys.argv[2], sys.argv[3:]))
sys.exit(main(["local" if word == "cluster" else word for word in sys.argv[1:]]))
