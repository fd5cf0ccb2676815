"""What viewers of the live page cost a run: lateness of its requests with 50 open pages, against none, in turns.

    python benchmarks/live_viewers.py [--viewers 50] [--rounds 3]

Each round runs the demo twice next to a ``harness serve``: once alone, once with viewers that read the events and fetch
the page of the run at each change, as a browser does. Prints p99 and the largest lateness of both, and their ratio.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np

from harness.bundle import read_bundle
from harness.run_folder import all_runs

HARNESS = [sys.executable, "-m", "harness"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        shop = Path(name) / "shop"
        subprocess.run([*HARNESS, "demo", "--copy", str(shop)], check=True, stdout=subprocess.DEVNULL)
        with serving(shop) as address:
            late: dict[int, list[float]] = {0: [], args.viewers: []}
            for number in range(args.rounds):
                for viewers in (0, args.viewers) if number % 2 == 0 else (args.viewers, 0):
                    p99, largest, pages = lateness(shop, address, viewers)
                    late[viewers].append(p99)
                    print(
                        f"{viewers:3d} viewers: late p99 {p99 * 1e3:.2f} ms, at most {largest * 1e3:.1f} ms, {pages} pages"
                    )
    alone, watched = (statistics.median(late[viewers]) for viewers in (0, args.viewers))
    print(
        f"median p99 with {args.viewers} viewers {watched * 1e3:.2f} ms, alone {alone * 1e3:.2f} ms: {watched / alone:.2f}"
    )


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run the server in a folder; yield the address of its pages."""
    command = [*HARNESS, "serve", "--address", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield re.findall(r"http://\S+", process.stderr.readline())[0]
    finally:
        process.terminate()
        process.wait(30)


def lateness(folder: Path, address: str, viewers: int) -> tuple[float, float, int]:
    """Run the demo once and return p99 and the largest lateness in seconds, and how many pages were fetched."""
    ended, fetched = threading.Event(), [0] * max(viewers, 1)
    threads = [threading.Thread(target=watch, args=(address, ended, fetched, one)) for one in range(viewers)]
    for thread in threads:
        thread.start()
    command = [*HARNESS, "demo", "--rate", "200", "--length", "10s", "--seed", "1", "--out", "reports"]
    subprocess.run(
        command, cwd=folder, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    ended.set()
    for thread in threads:
        thread.join()
    record = read_bundle(all_runs(folder / "reports")[-1].bundles[0])
    late_s = record.samples.late_s
    return float(np.quantile(late_s, 0.99)), float(late_s.max()), sum(fetched)


def watch(address: str, ended: threading.Event, fetched: list[int], number: int) -> None:
    """Be one open page until the run has ended."""
    with httpx.Client(base_url=address, timeout=20) as client, client.stream("GET", "/events") as events:
        for line in events.iter_lines():
            if ended.is_set():
                return
            if line.startswith("data:"):
                with suppress(httpx.ReadError):  # the server closed a kept connection just then; a browser asks again
                    runs = re.findall(r'href="(/runs/[^"]+)"', client.get("/").text)
                    if runs:
                        client.get(runs[0], headers={"X-Fragment": "1"})
                        fetched[number] += 1


if __name__ == "__main__":
    main()
