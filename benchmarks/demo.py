"""Run the demo many times and count how often each kind of canary gets the right verdict.

    python benchmarks/demo.py --runs 10                     # ten good canaries
    python benchmarks/demo.py --runs 3 --canary slow errors fragile --contention 2

Prints one line per run and a table. --contention starts that many processes, each of which keeps a core busy. The exit
code is 1 if a good canary failed, or if another kind did not fail.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

VERDICTS = {0: "pass", 1: "fail", 10: "marginal", 11: "inconclusive", 12: "trouble"}


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def run_once(kind: str, fault: str, seed: int, out: Path) -> tuple[int, float, str]:
    """Run the demo once. Returns exit code, duration in seconds and reason."""
    command = [
        sys.executable,
        "-m",
        "harness",
        "demo",
        "--canary",
        kind,
        "--fault",
        fault,
        "--seed",
        str(seed),
        "--out",
        str(out),
    ]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    lines = (done.stdout + done.stderr).splitlines()
    reason = next(
        (line.removeprefix("reason   ") for line in lines if line.startswith("reason")), lines[-1] if lines else ""
    )
    return done.returncode, time.monotonic() - began, reason


def main() -> int:
    """Run the demo and count the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--canary", nargs="+", default=["good"], choices=["good", "slow", "errors", "fragile"])
    parser.add_argument("--fault", nargs="+", default=["delay"], choices=["delay", "abort"])
    parser.add_argument("--contention", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    counts: dict[tuple[str, str], Counter[str]] = {}
    with ExitStack() as world:
        out = Path(world.enter_context(tempfile.TemporaryDirectory(prefix="harness-demo-")))
        for _ in range(args.contention):
            busy = multiprocessing.Process(target=spin, daemon=True)
            busy.start()
            world.callback(busy.kill)
        for kind in args.canary:
            for fault in args.fault:
                for number in range(args.runs):
                    code, seconds, reason = run_once(kind, fault, args.seed + number, out)
                    counts.setdefault((kind, fault), Counter())[VERDICTS.get(code, str(code))] += 1
                    print(f"{kind:<8} {fault:<6} {VERDICTS.get(code, code):<13} {seconds:4.0f} s  {reason}", flush=True)
    print(f"\n{'canary':<8} {'fault':<6} {'runs':>4}  verdicts")
    wrong = 0
    for (kind, fault), found in counts.items():
        print(
            f"{kind:<8} {fault:<6} {found.total():>4}  {', '.join(f'{count} {word}' for word, count in found.most_common())}"
        )
        wrong += found["fail"] if kind == "good" else found.total() - found["fail"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
