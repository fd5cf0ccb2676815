"""Measure the CPU time of the judge: ``python benchmarks/judge_speed.py``.

CPU time and not wall time is measured, so that other programs on the machine hardly matter; the smallest of several
repetitions counts. The exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from streams import FAMILIES, Harm, Stream, stream
from watched_runs import TOLERATED, plan_of

from harness.judge.arrays import compare
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge, block_seconds
from harness.stats.table import reduce_samples

PLAIN = FAMILIES[0]
FAULT = next(family for family in FAMILIES if family.fault)
LOOKS_S = range(10, 301, 10)
ENDPOINTS = 4
IMPORT = "import harness.judge.arrays"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One measured time and the most that is allowed, both in seconds."""

    name: str
    seconds: float
    most: float
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the time is allowed."""
        return self.seconds <= self.most

    def __str__(self) -> str:
        mark = "ok" if self.held else "MISSED"
        return f"{mark:<7}{self.name:<62}{1000 * self.seconds:9.1f} ms (at most {1000 * self.most:g}){self.note}"


def cpu_s(call: Callable[[], object], repeats: int = 5) -> float:
    """Return the CPU seconds of a call: the smallest of some."""
    took = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        took.append(time.process_time() - started)
    return min(took)


def looks_s(run: Stream, repeats: int) -> list[float]:
    """Return the CPU seconds of each look at a run, from its table, as the judge takes it every ten seconds."""
    plan = plan_of(PLAIN, run, TOLERATED, 1)
    table = reduce_samples(run.samples, run.phases, block_s=block_seconds(plan))
    judge = SequentialJudge()

    def look(now_s: float) -> object:
        phases = tuple(replace(phase, end_s=min(phase.end_s, now_s)) for phase in run.phases if phase.start_s < now_s)
        fresh = replace(table)  # nothing is remembered from look to look
        evidence = Evidence(samples=run.samples, phases=phases, table=fresh)
        return judge.judge(evidence, plan, now_s=now_s, final=now_s >= PLAIN.duration_s)

    return [cpu_s(lambda now_s=float(now_s): look(now_s), repeats) for now_s in LOOKS_S]  # type: ignore[misc]


def with_endpoints(run: Stream) -> Stream:
    """Return the run with its requests divided among endpoints."""
    operation = np.random.default_rng(1).integers(0, ENDPOINTS, len(run.samples)).astype(np.int16)
    names = tuple(f"/{number}" for number in range(ENDPOINTS))
    return replace(run, samples=replace(run.samples, operation=operation, operations=names))


def many_samples(count: int) -> list[dict[str, object]]:
    """Return the columns of both arms, ``count`` requests together."""
    rng, arms = np.random.default_rng(1), []
    for share in (0.8, 0.2):
        size = int(count * share)
        latency = 0.025 * np.exp(0.5 * rng.standard_normal(size))
        status = np.where(rng.random(size) < 0.005, 503, 200)
        arms.append({"time_s": rng.uniform(0, 300, size), "latency_s": latency, "status": status})
    return arms


def imported_s() -> float:
    """Return the CPU seconds that importing the judge adds to an interpreter that has numpy."""
    code = f"import numpy, time; start = time.process_time(); {IMPORT}; print(time.process_time() - start)"
    answers = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "12345"
    ]
    return min(float(answer.stdout) for answer in answers)


def bars(count: int, repeats: int) -> Iterator[Bar]:
    """Measure everything."""
    took = looks_s(stream(PLAIN, Harm(), 1), repeats)
    yield _look("a look, 5 objectives", took, most=0.002)
    took = looks_s(with_endpoints(stream(FAULT, Harm(), 1)), repeats)
    yield _look(f"a look, 3 phases x 5 objectives x {ENDPOINTS} endpoints", took, most=0.005)
    arms = many_samples(count)
    yield Bar(name=f"{count:,} samples, first call", seconds=cpu_s(lambda: compare(*arms), 1), most=1.0)  # type: ignore[arg-type]
    yield Bar(name="import of the judge, after numpy", seconds=imported_s(), most=0.3)


def _look(name: str, took: list[float], *, most: float) -> Bar:
    return Bar(name=name, seconds=float(np.mean(took)), most=most, note=f", the slowest {1000 * max(took):.1f}")


def main() -> int:
    """Print a line for each bar."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=10_000_000, help="for the first call (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="of each look (default: %(default)s)")
    args = parser.parse_args()
    held = True
    for bar in bars(args.samples, args.repeats):
        print(bar, flush=True)
        held &= bar.held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
