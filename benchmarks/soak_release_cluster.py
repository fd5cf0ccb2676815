"""Kill every kind of release at each of its writes to a fake API server, before and after the write.

    python benchmarks/soak_release_cluster.py

Each release is then resumed or aborted. After the kill no route may lead to pods that are gone; at the end all users must
be on the stable build that the outcome says, and nothing of the release may be left. It takes a few minutes. The exit
code is 1 if anything was left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))

from fake_kubernetes import fake_kubernetes
from release_kills import KINDS, Kills, kills_of

FEWEST = 150


def main() -> int:
    """Kill releases and print what was left."""
    parser = argparse.ArgumentParser(description="Kill releases at each of their writes to a fake API server.")
    parser.add_argument("--every", type=int, default=1, help="kill at one of so many writes (default: 1)")
    every, kills, began = parser.parse_args().every, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-soak-") as folder, fake_kubernetes() as server:
        for turn in range(2):
            subject = Kills(server, Path(folder) / str(turn))
            for name in KINDS:
                found = kills_of(subject, name, every=every, turn=turn)
                kills += found
                print(f"{name}: {found} kills, left behind so far: {len(subject.wrong)}", flush=True)
            print(f"killed in: {', '.join(f'{phase} {count}' for phase, count in sorted(subject.killed.items()))}")
            for line in subject.wrong:
                print(f"WRONG: {line}")
            if subject.wrong:
                return 1
    print(f"{kills} releases were killed in {time.monotonic() - began:.0f} s, and nothing was left behind")
    return 0 if kills >= FEWEST or every > 1 else 1


if __name__ == "__main__":
    sys.exit(main())
