"""Kill runs on the local mesh at each of their steps, then repeat scenarios in one process and watch its memory.

    python benchmarks/soak.py --kills 1000 --minutes 60     # about three hours
    python benchmarks/soak.py --kills 8 --minutes 0
    python benchmarks/soak.py --kills 1000 --kill-minutes 80 --lanes 4 --minutes 0

The first runs record their steps: in each phase, every start and end of a function of the harness in the main thread,
from the start of the services to the last file of the bundle. Each further run dies by SIGKILL at one step that all of
them had. The steps are spread evenly over the run, in an order in which those of the first kills are spread evenly too, so that --kill-minutes
may end them early. Runs in several lanes run at the same time. After each kill nothing may be left: no process of the
run, and no bundle that is read as a whole run although it is not. At the end no port may stay leased. A run that does
not come by its step ends by itself and is counted apart. The exit code is 1 if anything was left, if the memory grew, or
if more than a tenth of the runs ended by themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import yaml

from harness import wiring
from harness.bundle import ANALYSIS, read_analysis, read_bundle
from harness.clients.processes.ports import free_ports
from harness.clients.processes.signals import signals_as_interrupts
from harness.errors import HarnessError, RecordError
from harness.runner.deciding import decide

ROOT = Path(__file__).parents[1]
PHASES = {"warm-up": "500ms", "steady": "1s", "fault": "1s", "recovery": "500ms"}
SCENARIO = """import pytest
from harness import delay


@pytest.mark.parametrize("number", range({count}))
def test_slow_ratings(canary, number):
    canary.run(faults=[delay("ratings", "50ms", percent=30)])
"""
END_S = 20.0
"""For how long after a kill the processes of the run may still be ending."""
MB = 1e6
GROWTH_LIMIT_MB, NOISE_MB = 0.02, 1.0
"""How much the memory may grow with each run, on average, and how much it may grow altogether in any case."""
WARM_UP_RUNS = 3
TRIES = 3
"""How many steps in a row are tried until a run is killed."""
MOST_UNKILLED = 0.1
"""The share of the runs that may end by themselves; with more of them, the kills would not have shown much."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""The fractional parts of its multiples are spread evenly, however many there are."""
OPTIONS = ("-q", "-p", "no:locust", "-p", "no:cacheprovider", "-p", "soak_killer")


@dataclass
class Soak:
    """A folder with one scenario; the mark is inherited by every process of its runs."""

    folder: Path
    tmp: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    forker: subprocess.Popen[str] | None = None

    def prepare(self, *, count: int = 1) -> None:
        """Write configuration and scenario; the scenario is repeated ``count`` times in one process."""
        settings = yaml.safe_load((ROOT / "harness.yaml").read_text())
        settings |= {"istio": [str(ROOT / "harness/demo/project/istio/*.yaml")], "phases": PHASES}
        settings["load"] |= {"folders": [str(ROOT / "loadprofiles")], "rate": 60}
        self.folder.mkdir(exist_ok=True)
        self.tmp.mkdir(exist_ok=True)
        (self.folder / "harness.yaml").write_text(yaml.safe_dump(settings))
        (self.folder / "test_scenario.py").write_text(SCENARIO.format(count=count))

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Keep a process from which runs are forked; without it each would import everything again."""
        command = [sys.executable, str(ROOT / "benchmarks/soak_fork.py"), *OPTIONS]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=self.folder, env=self._environment(), text=True, **pipes) as self.forker:
            yield

    def run(self, **environment: str) -> int:
        """Run pytest to its end, however that comes, and return its exit code; what it wrote is in output.txt."""
        if self.forker is None:
            with (self.folder / "output.txt").open("w") as output:  # a pipe would be held open by what a kill leaves
                return subprocess.run(
                    [sys.executable, "-m", "pytest", *OPTIONS], cwd=self.folder, check=False, stdout=output,
                    stderr=subprocess.STDOUT, env={**self._environment(), **environment}, start_new_session=True,
                ).returncode  # fmt: skip
        assert self.forker.stdin
        assert self.forker.stdout
        print(json.dumps(environment), file=self.forker.stdin, flush=True)
        return int(self.forker.stdout.readline())

    def _environment(self) -> dict[str, str]:
        paths = f"{ROOT}:{ROOT / 'benchmarks'}"
        return {**os.environ, "HARNESS_SOAK_MARK": self.mark, "PYTHONPATH": paths, "TMPDIR": str(self.tmp)}

    def steps(self, runs: int) -> list[str]:
        """Return the steps that each of so many whole runs had, in the order of the first."""
        file = self.folder / "steps.txt"
        seen = []
        for number in range(1, runs + 1):
            self.run(HARNESS_SOAK_STEPS=str(file))
            if len(list(self.folder.glob("reports/*/*/manifest.json"))) < number:
                output = (self.folder / "output.txt").read_text()
                raise SystemExit(f"expected a first run with a bundle, it has none:\n{output}")
            seen.append(file.read_text().splitlines())
        return in_all(seen)

    def processes(self) -> list[psutil.Process]:
        """Return the running processes that have the mark, without the one that forks."""
        found = []
        for process in psutil.process_iter():
            if self.forker and process.pid == self.forker.pid:
                continue
            try:
                is_ours = process.environ().get("HARNESS_SOAK_MARK") == self.mark
                if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def left_processes(self) -> list[str]:
        """Return what still runs after the time for ending, and end it."""
        deadline = time.monotonic() + END_S
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        left = self.processes()
        names = [f"process {process.pid}" for process in left]
        for process in left:
            process.kill()
        return names

    def misread_bundles(self, seen: set[Path]) -> list[str]:
        """Return what is wrong with the bundles that are not in ``seen``; a killed run may have none or a whole one."""
        folders = {path for path in self.folder.glob("reports/*/*") if path.is_dir()} - seen
        seen |= folders
        return [f"{folder}: {trouble}" for folder in sorted(folders) if (trouble := misread(folder))]


def in_all(runs: list[list[str]]) -> list[str]:
    """Return the steps of the first run that all others had too: chance decides whether a run comes by the rest."""
    common = set.intersection(*map(set, runs))
    return [step for step in runs[0] if step in common]


def left_leases(tmp: Path) -> list[str]:
    """Return the leases of ports that the next run would not remove once they have expired."""
    tempfile.tempdir = str(tmp)
    leases = next(tmp.glob("harness-ports-*"), None)
    if leases is None:
        return ["expected leases of ports in the temporary folder, found none: is TMPDIR ignored?"]
    for lease in leases.iterdir():
        os.utime(lease, (0, 0))  # as if the 30 s of a lease were over
    ports = {str(port) for port in free_ports(1)}
    return [f"lease of port {lease.name}" for lease in leases.iterdir() if lease.name not in ports]


def misread(folder: Path) -> str:
    """Say why a bundle that can be read is not one of a whole run; an empty text if it is, or cannot be read."""
    try:
        record = read_bundle(folder)
    except RecordError:
        return ""
    names = [phase.name for phase in record.phases]
    if names != list(PHASES) or not record.rollbacks or not all(one.verified for one in record.rollbacks):
        return f"is read as a whole run with the phases {names} and {len(record.rollbacks)} rollbacks"
    if not (folder / ANALYSIS).exists():
        return ""
    try:
        recorded = read_analysis(folder)
        return (
            ""
            if recorded.verdict is decide(record, wiring.judge(record.plan.judge.name)).verdict
            else "another verdict"
        )
    except HarnessError as error:
        return f"its analysis cannot be read: {error}"


@dataclass(kw_only=True)
class Kills:
    """Kills runs in several lanes; each takes the next kill as soon as it is free."""

    folder: Path
    count: int
    lanes: int
    deadline: float
    whole_runs: int = 2
    killed: int = 0
    left: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """Kill the runs, and return what was left behind."""
        tmp = self.folder / "tmp"
        lanes = [Soak(self.folder / f"lane-{number}", tmp) for number in range(self.lanes)]
        for lane in lanes:
            lane.prepare()
        with lanes[0].forking():
            steps = lanes[0].steps(self.whole_runs)
        print(f"{len(steps)} steps; {self.count} kills", flush=True)
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(self.count):
            waiting.put(number)
        with ThreadPoolExecutor(self.lanes) as pool:
            ended = [pool.submit(self._in_lane, lane, steps, waiting) for lane in lanes]
            try:
                made = sum(one.result() for one in ended)
            finally:
                self.deadline = 0.0  # if a lane failed or we are interrupted, the others end as well
        self.left += left_leases(tmp)
        print(self.summary(made), flush=True)
        return [*self.left, *too_few(self.killed, made)]

    def summary(self, made: int) -> str:
        """Say how many of the runs that were ``made`` were killed, and how much they left."""
        alone = f", {made - self.killed} ended by themselves" if made > self.killed else ""
        over = "" if made == self.count else "; the time for kills is over"
        return f"{self.killed} of {self.count} runs were killed{alone}{over}; left behind: {len(self.left)}"

    def _in_lane(self, soak: Soak, steps: list[str], waiting: queue.SimpleQueue[int]) -> int:
        seen, made = set(soak.folder.glob("reports/*/*")), 0
        with soak.forking():
            while time.time() < self.deadline:
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    break
                first = int((number + 0.5) * GOLDEN % 1 * len(steps))
                made += 1
                for step in (steps * 2)[first : first + TRIES]:
                    died, found = kill_at(step, soak, seen, f"{number + 1}/{self.count}")
                    self.left += found
                    if died:  # else it did not come by this step, for example because nothing had to be tried again
                        self.killed += 1
                        break
        return made


def too_few(killed: int, made: int) -> list[str]:
    """Return a complaint if so many runs ended by themselves that the kills show little."""
    if made - killed <= MOST_UNKILLED * made:
        return []
    return [f"expected to kill at least {1 - MOST_UNKILLED:.0%} of {made} runs, killed {killed}: look at their steps"]


def kill_at(step: str, soak: Soak, seen: set[Path], label: str) -> tuple[bool, list[str]]:
    """Kill a run at ``step``; return whether it died there, and what it left behind."""
    began = time.monotonic()
    code = soak.run(HARNESS_SOAK_KILL=step)
    found = [f"{step}: {one}" for one in (*soak.left_processes(), *soak.misread_bundles(seen))]
    died = code == -signal.SIGKILL
    ended = "killed" if died else f"ended by itself with code {code}"
    result = "; ".join(found) or "nothing left"
    print(f"{label} {time.monotonic() - began:5.1f} s  {ended}  {step}  {result}", flush=True)
    return died, found


def repeat_runs(soak: Soak, minutes: float) -> list[str]:
    """Repeat the scenario in one process for some minutes, and return a complaint if its memory grew."""
    soak.prepare(count=int(minutes * 30) + WARM_UP_RUNS + 2)
    file = soak.folder / "memory.txt"
    soak.run(HARNESS_SOAK_MEMORY=str(file), HARNESS_SOAK_UNTIL=str(time.time() + 60 * minutes))
    found_mb = np.array([int(line) / MB for line in file.read_text().split()][:-1])
    for number, memory_mb in enumerate(found_mb, 1):
        print(f"run {number}: {memory_mb:.2f} MB", flush=True)
    settled_mb = found_mb[WARM_UP_RUNS:]
    if settled_mb.size < 2:
        return [f"expected more than {WARM_UP_RUNS + 1} runs in {minutes:g} min, found {found_mb.size}"]
    growth_mb = float(np.polyfit(np.arange(settled_mb.size), settled_mb, 1)[0])
    print(f"{found_mb.size} runs in one process; memory grows by {growth_mb:.3f} MB a run", flush=True)
    left = [f"process of the repeated runs: {name}" for name in soak.left_processes()]
    limit_mb = NOISE_MB + GROWTH_LIMIT_MB * settled_mb.size
    return left if growth_mb * settled_mb.size <= limit_mb else [*left, f"memory grows by {growth_mb:.3f} MB a run"]


def main() -> int:
    """Kill, repeat, and say what was left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--kill-minutes", type=float, default=math.inf, help="start no kill after this time")
    parser.add_argument("--lanes", type=int, default=2, help="how many runs are killed at the same time")
    parser.add_argument(
        "--whole-runs", type=int, default=2, help="how many runs record the steps that all of them have"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    with signals_as_interrupts(), tempfile.TemporaryDirectory(prefix="harness-soak-") as folder:
        here, deadline = Path(folder), time.time() + 60 * args.kill_minutes
        kills = Kills(folder=here, count=args.kills, lanes=args.lanes, deadline=deadline, whole_runs=args.whole_runs)
        left = kills.all() if args.kills else []
        left += repeat_runs(Soak(here / "repeated", here / "tmp"), args.minutes) if args.minutes else []
    print("\n".join(left) or "nothing left behind")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
