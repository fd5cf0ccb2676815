"""Compare a stand-in with what it plays, in a live mesh: ``nice -n 10 python benchmarks/stand_in.py --replays 3``.

The demo is recorded with a span of each call, and replayed with a stand-in for ratings. The durations of the calls, as
the callers' proxies timed them, are compared by quantile, in the steady phase. Each line has the ratios, here to then,
and the load of the machine. ``--burn N`` keeps N processes busy during the replays. The exit code is 1 if a median of
the ratios is off by more than 3 %.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from harness import gate, wiring
from harness.cli import main as harness
from harness.config import read_config
from harness.console import silent
from harness.model.phase import PhaseKind
from harness.model.record import Record
from harness.replay.asked import read_asked
from harness.replay.running import replayed
from harness.replay.staging import Options, staged

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
RATE_RPS, STEADY_S = 100.0, 20.0


def quantiles(record: Record) -> np.ndarray:
    """Return quantiles of the durations of the calls to ratings in the steady phase, in milliseconds."""
    assert record.load is not None
    steady = next(phase for phase in record.phases if phase.kind is PhaseKind.STEADY)
    first, last = ((record.load.started_at + at_s) * 1e9 for at_s in (steady.start_s, steady.end_s))
    found = [one for one in record.spans if one.service == "ratings" and first <= one.start_ns < last]
    return np.quantile([one.duration_ns / 1e6 for one in found], SHARES)


@contextmanager
def burning(processes: int) -> Iterator[None]:
    """Keep so many processes busy in the block."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def line(name: str, numbers: Sequence[float], unit: str) -> str:
    """Return one row of the table."""
    return f"{name:14} " + " ".join(f"{number:8.3f}" for number in numbers) + f" {unit}  load {os.getloadavg()[0]:.1f}"


def main() -> int:
    """Record once, replay several times, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=3)
    parser.add_argument("--burn", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-stand-in-") as scratch:
        shop = Path(scratch) / "shop"
        harness(["demo", "--copy", str(shop)])
        profile = shop / "loadprofiles" / "browse.py"
        profile.write_text(profile.read_text().replace('"body_bytes": 300', '"body_bytes": 300, "trace_share": 1.0'))
        config = replace(read_config(shop / "harness.yaml"), out=Path(scratch))
        scenario = wiring.scenario(
            config, name="steady", seed=1, faults=(), rate_rps=RATE_RPS, warm_up_s=3.0, steady_s=STEADY_S, fault_s=0.0,
            recovery_s=0.0,
        )  # fmt: skip
        folder = Path(scratch) / "recorded"
        with gate.open_mesh(config, target="local", folder=folder / "logs") as mesh:
            then = quantiles(gate.judge_scenario(scenario, config, mesh, folder=folder, again="", notify=silent).record)
        print(line("quantile", SHARES, ""))
        print(line("recorded", then.tolist(), "ms"), flush=True)
        stage = staged(read_asked(folder), config, Options(stand_ins=("ratings",)))
        found = []
        with burning(args.burn):
            for number in range(1, args.replays + 1):
                played = replayed(stage, Path(scratch) / f"replay-{number}", again="", notify=silent)
                found.append(quantiles(played.outcome.record) / then)
                print(line(f"replay {number}", found[-1].tolist(), "times as long"), flush=True)
    medians = [median(column) for column in np.array(found).T.tolist()]
    print(line("median", medians, "times as long"))
    return 0 if all(abs(one - 1) <= 0.03 for one in medians) else 1


if __name__ == "__main__":
    sys.exit(main())
