"""Start pytest again and again from one process that has imported all that a run imports: a killed run costs less then.

Reads a JSON object with the environment of a run on each line of its input, and prints the exit code of that run. A run
is a process of its own in a session of its own; its output is in ``output.txt`` in the current folder.
"""

from __future__ import annotations

import gc
import json
import os
import sys

import pytest
import scipy.special
import scipy.stats  # noqa: F401  imported for the runs

import harness.plugin  # noqa: F401
from harness import gate, wiring  # noqa: F401


def become_run(environment: dict[str, str]) -> int:
    """Run pytest in this process, which was forked for it, and return its exit code."""
    os.setsid()
    os.environ.update(environment)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(file, number)
    return pytest.main(sys.argv[1:])


def main() -> int:
    """Run pytest for each line, one run after the other."""
    gc.freeze()  # or each run would copy the pages of what is imported as soon as it collects its garbage
    for line in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if pid == 0:
            return become_run(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
