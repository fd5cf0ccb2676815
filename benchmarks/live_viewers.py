"""What viewers of the live page cost a run: the lateness of its requests while 50 pages are open, against none.

    python benchmarks/live_viewers.py [--viewers 50] [--length 40s] [--turn 5]

One run of the demo goes on next to a ``harness serve``. Every few seconds the viewers come or leave, so that both kinds
of seconds see the same machine. Each viewer reads the events and fetches the page of the run at each change, as a
browser does. Prints p50 and p99 of the lateness of both, and their ratios, for requests due a second after each change.
Returns 1 if the viewers push the p99 beyond what the proof of the load allows.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from harness.bundle import read_bundle
from harness.load.parent.proofs import LATE_LIMIT_S
from harness.run_folder import all_runs

HARNESS = [sys.executable, "-m", "harness"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--length", default="40s", help="of each phase of the run")
    parser.add_argument("--turn", type=float, default=5.0, help="seconds until the viewers come or leave")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        shop = Path(name) / "shop"
        subprocess.run([*HARNESS, "demo", "--copy", str(shop)], check=True, stdout=subprocess.DEVNULL)
        with serving(shop) as address:
            watched, pages = run_watched_in_turns(shop, address, args)
        record = read_bundle(all_runs(shop / "reports")[-1].bundles[0])
    if record.load is None:
        sys.exit("expected a run that sent load, found none")
    due = record.samples.due_s + record.load.started_at
    late = {kind: record.samples.late_s[inside(due, watched[kind])] * 1e3 for kind in (False, True)}
    print(f"{pages} pages fetched by {args.viewers} viewers")
    for share in (0.5, 0.99):
        alone, seen = (float(np.quantile(late[kind], share)) for kind in (False, True))
        print(
            f"late p{share * 100:g}: {alone:.2f} ms without viewers (n {late[False].size}), {seen:.2f} ms with them "
            f"(n {late[True].size}): ratio {seen / alone:.2f}"
        )
    within = seen <= LATE_LIMIT_S * 1e3
    print(
        f"{'within' if within else 'BEYOND'} the proof's bound with viewers: p99 {seen:.2f} of {LATE_LIMIT_S * 1e3:g} ms"
    )
    sys.exit(0 if within else 1)


def inside(moments: NDArray[np.float64], spans: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """Whether moments are within one of the spans, a second after its beginning at least."""
    found = np.zeros(moments.shape, np.bool_)
    for begin, end in spans:
        found |= (moments >= begin + 1) & (moments < end)
    return found


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


def run_watched_in_turns(
    folder: Path, address: str, args: argparse.Namespace
) -> tuple[dict[bool, list[tuple[float, float]]], int]:
    """Run the demo once. Return when nobody watched and when the viewers did, and how many pages they fetched."""
    spans: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    fetched = [0] * args.viewers
    command = [*HARNESS, "demo", "--rate", "200", "--length", args.length, "--seed", "1", "--out", "reports"]
    run = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watching = False
    while run.poll() is None:
        begin, ended = time.time(), threading.Event()
        threads = [
            threading.Thread(target=watch, args=(address, ended, fetched, one))
            for one in range(args.viewers if watching else 0)
        ]
        for thread in threads:
            thread.start()
        with suppress(subprocess.TimeoutExpired):
            run.wait(args.turn)
        spans[watching].append((begin, time.time()))
        ended.set()
        for thread in threads:
            thread.join()
        watching = not watching
    return spans, sum(fetched)


def watch(address: str, ended: threading.Event, fetched: list[int], number: int) -> None:
    """Be one open page until its turn has ended."""
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
