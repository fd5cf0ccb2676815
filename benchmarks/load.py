"""Measure the cost of the load generator, as ratios within one run: clients, recorder, lateness and truth.

``python benchmarks/load.py`` takes about five minutes. ``--only clients`` (or latency, recorder, upload, open, truth)
runs a part of it. Load generators run on one core and Envoy on another. Every round runs each tool once. The medians,
over the rounds, of the ratios within a round are compared with the limits. wrk comes from Debian.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import load_truth
import numpy as np
import psutil
from load_tables import Row, finish, table
from load_target import EnvoyTarget, envoy_target, raise_priority

from harness.load.parent.locust import LocustLoad
from harness.load.protocol.sample_reader import read_headers
from harness.model.load import LoadPlan, LoadReport, Stage
from harness.model.samples import Samples

CONNECTIONS, WINDOW_S, ROUNDS = 16, 3.0, 3
IMPORTS = {
    "FastHttpUser": "from locust import FastHttpUser",
    "CurlUser": "from harness.load.users.curl import CurlUser",
    "LeanUser": "from harness.load.users.lean import LeanUser",
}
PROFILE = """
{imports}
from locust import constant, task


class Visitor({user}):
    wait_time = constant(0)
    {more}

    @task
    def visit(self):
        self.client.get("/", name="/")
"""
BARE_TIMER = """
import time
late, due = [], time.perf_counter()
for _ in range(1000):
    due += 2e-3
    time.sleep(max(0.0, due - time.perf_counter()))
    late.append(time.perf_counter() - due)
    while time.perf_counter() < due + 1.2e-3:
        pass
late.sort()
print(late[500], late[990])
"""
GENERATOR_CORE, ENVOY_CORE = 0, 1


class Bench:
    """Runs load against the target, in a folder."""

    def __init__(self, folder: Path, target: EnvoyTarget) -> None:
        self.folder, self.target = folder, target
        self._runs = 0

    def profile(self, user: str, more: str = "") -> Path:
        """Write a locustfile that sends requests as fast as this User class can."""
        path = self.folder / f"{user.lower()}{len(more)}.py"
        path.write_text(PROFILE.format(imports=IMPORTS[user], user=user, more=more))
        return path

    def plan(self, profile: Path, seconds: float, **more: object) -> LoadPlan:
        """Return the plan of a load of ``seconds``. The open model needs a rate, the closed model needs users."""
        rate = float(more.pop("rate", 1.0))  # type: ignore[arg-type]
        stage = Stage(duration_s=seconds, start_rps=rate, end_rps=rate)
        return LoadPlan(
            profile=profile, url=self.target.url, stages=(stage,), trace_share=0, drain_s=2, **more  # type: ignore[arg-type]
        )  # fmt: skip

    def run(self, plan: LoadPlan, watch: Callable[[int], None] = lambda _: None) -> tuple[LoadReport, Samples]:
        """Execute a plan on the generator's core. ``watch`` is called with the worker's pid while it sends."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        with LocustLoad().start(plan, folder) as run:
            watch(read_headers(folder / "load")[0].pid)
            while run.running():
                time.sleep(0.1)
            return run.finish(), run.samples()


def locust_cost(bench: Bench, user: str, more: str = "") -> float:
    """Return a User class's CPU seconds per request in the closed model; Envoy counts the requests."""
    costs: list[float] = []

    def watch(pid: int) -> None:
        time.sleep(1.5)
        before, cpu = bench.target.requests(), _cpu_s(pid)
        time.sleep(WINDOW_S)
        costs.append((_cpu_s(pid) - cpu) / (bench.target.requests() - before))

    bench.run(bench.plan(bench.profile(user, more), WINDOW_S + 2.5, users=CONNECTIONS), watch)
    return costs[0]


def wrk_cost(bench: Bench) -> float:
    """Return wrk's CPU seconds per request."""
    before, cpu = bench.target.requests(), _children_cpu_s()
    _wrk(bench, CONNECTIONS)
    return (_children_cpu_s() - cpu) / (bench.target.requests() - before)


def clients(bench: Bench) -> Iterator[Row]:
    """Compare requests per CPU-second with FastHttpUser and wrk."""
    tools: dict[str, Callable[[], float]] = {
        "wrk": lambda: wrk_cost(bench),
        "FastHttpUser": lambda: locust_cost(bench, "FastHttpUser"),
        "CurlUser": lambda: locust_cost(bench, "CurlUser"),
        "CurlUser, HTTP/2": lambda: locust_cost(bench, "CurlUser", 'http_version = "2-prior-knowledge"'),
        "LeanUser": lambda: locust_cost(bench, "LeanUser"),
    }
    rounds = [{tool: cost() for tool, cost in tools.items()} for _ in range(ROUNDS)]
    for tool in tools:
        yield Row(f"{tool}: CPU per request", f"{1e6 * median(each[tool] for each in rounds):.1f} µs")
    for tool, over_fast, over_wrk in (
        ("CurlUser", 2.5, 0.18), ("CurlUser, HTTP/2", None, None), ("LeanUser", 4.0, 0.28),
    ):  # fmt: skip
        fast = median(each["FastHttpUser"] / each[tool] for each in rounds)
        wrk = median(each["wrk"] / each[tool] for each in rounds)
        yield _at_least(f"{tool}: requests per CPU-second over FastHttpUser's", fast, over_fast)
        yield _at_least(f"{tool}: requests per CPU-second over wrk's", wrk, over_wrk)


def latency(bench: Bench) -> Iterator[Row]:
    """Measure the median latency that a client adds on one connection."""
    users = ("FastHttpUser", "CurlUser", "LeanUser")
    rounds = []
    for _ in range(ROUNDS):
        found = {"wrk": _wrk(bench, 1)}
        for user in users:
            _, samples = bench.run(bench.plan(bench.profile(user), 3.0, users=1))
            found[user] = float(np.quantile(samples.latency_s[len(samples) // 4 :], 0.5))
        rounds.append(found)
    yield Row("wrk: p50 at one connection", f"{1e6 * median(each['wrk'] for each in rounds):.0f} µs")
    for user, bar in zip(users, (None, 50e-6, 50e-6), strict=True):
        added = median(each[user] - each["wrk"] for each in rounds)
        text = f"at most {1e6 * bar:.0f} µs" if bar else ""
        yield Row(f"{user}: added p50", f"{1e6 * added:.0f} µs", text, added <= bar if bar else None)


def recorder(bench: Bench) -> Iterator[Row]:
    """Measure the CPU and memory cost of recording, in a process of its own."""
    words = [sys.executable, str(Path(__file__).with_name("load_recorder.py")), str(bench.folder)]
    found = dict(
        line.split("=") for line in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    )
    record, stats, reading = float(found["record_ns"]), float(found["stats_ns"]), float(found["poll_ms"])
    fast = locust_cost(bench, "FastHttpUser")
    yield Row("recorder: per request", f"{record:.0f} ns", "at most 500 ns", record <= 500)
    yield Row("Locust's own statistics: per request", f"{stats:.0f} ns")
    yield _at_most("recorder over Locust's own statistics", record / stats, 0.3)
    yield _at_most("recorder over FastHttpUser's CPU per request", record * 1e-9 / fast, 0.02)
    size, grown = float(found["file_mb"]), float(found["anonymous_mb"])
    yield Row("sample file per million samples", f"{size:.1f} MB", "at most 33 MB", size <= 33)
    yield Row("growth of anonymous memory in a million samples", f"{grown:.1f} MB", "at most 5 MB", grown <= 5)
    yield Row("reading new samples, every second at 10 000/s", f"{reading:.2f} ms", "at most 1 ms", reading <= 1)


def upload(bench: Bench) -> Iterator[Row]:
    """Measure the bytes per uploaded sample."""
    words = [sys.executable, str(Path(__file__).with_name("load_recorder.py")), str(bench.folder), "--batch"]
    _, samples = bench.run(bench.plan(bench.profile("CurlUser"), 4.0, rate=2000))
    np.save(bench.folder / "latencies.npy", np.stack([samples.due_s, samples.latency_s, samples.late_s]))
    size = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    yield Row("bytes per uploaded sample, 1 s batches", f"{size:.1f}", "at most 8", size <= 8)


def open_model(bench: Bench) -> Iterator[Row]:
    """Compare the lateness of requests on one core with that of a bare timer there; other processes delay both.

    The bare timer uses about as much CPU, because the scheduler delays only processes that use much of it.
    """
    for user, rate, barred in (
        ("FastHttpUser", 2000, True), ("FastHttpUser", 4000, False), ("CurlUser", 4000, True), ("CurlUser", 8000, False),
        ("LeanUser", 6000, True), ("LeanUser", 12000, False),
    ):  # fmt: skip
        bare = [_bare_timer() for _ in range(ROUNDS)]
        reports = [bench.run(bench.plan(bench.profile(user), 4.0, rate=rate))[0] for _ in range(ROUNDS)]
        p50, p99 = min(each.late_p50_s for each in reports), min(each.late_p99_s for each in reports)
        bare_p50, bare_p99 = min(each[0] for each in bare), min(each[1] for each in bare)
        held = all(each.recorded == each.counted == each.planned and not each.dropped for each in reports)
        cpu = median(each.cpu_share for each in reports)
        yield Row(
            f"{user} at {rate}/s, CPU {cpu:.0%}: late p50 / p99",
            f"{1e6 * p50:.0f} / {1e6 * p99:.0f} µs",
            f"all sent; a bare timer {1e6 * bare_p50:.0f} / {1e6 * bare_p99:.0f} µs"
            + (", at most 100 / 1000 µs more" if barred else ""),
            held and (not barred or (p50 - bare_p50 <= 100e-6 and p99 - bare_p99 <= 1e-3)),
        )


def _bare_timer() -> tuple[float, float]:
    """Return p50 and p99 of the lateness of a process that wakes up 500 times per second and computes in between."""
    text = subprocess.run([sys.executable, "-c", BARE_TIMER], check=True, capture_output=True, text=True).stdout
    p50, p99 = text.split()
    return float(p50), float(p99)


PARTS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "clients": clients,
    "latency": latency,
    "recorder": recorder,
    "upload": upload,
    "open": open_model,
}


def main() -> int:
    """Measure and print. The exit code is 0 if all limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*PARTS, "truth"], action="append")
    wanted = parser.parse_args().only or [*PARTS, "truth"]
    cores = os.sched_getaffinity(0)
    raise_priority(os.getpid())
    results = []
    with TemporaryDirectory() as name:
        one = {GENERATOR_CORE} if len(cores) > 1 else cores
        os.sched_setaffinity(0, one)
        with envoy_target(Path(name), core=ENVOY_CORE if len(cores) > 1 else None) as target:
            bench = Bench(Path(name), target)
            results += [table(part, list(rows(bench))) for part, rows in PARTS.items() if part in wanted]
    os.sched_setaffinity(0, cores)
    if "truth" in wanted:
        results.append(load_truth.main() == 0)
    return finish(results)


def _wrk(bench: Bench, connections: int) -> float:
    """Run wrk and return its median latency in seconds."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{WINDOW_S:g}s", "--latency", bench.target.url]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = re.search(r"50%\s+([\d.]+)(us|ms|s)", text)
    if found is None:
        raise SystemExit(f"expected a median latency in the output of wrk, found:\n{text}")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process, with nanosecond resolution where the kernel provides it."""
    threads = Path(f"/proc/{pid}/task")
    if threads.exists():
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads.iterdir()) * 1e-9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _at_least(what: str, ratio: float, bar: float | None) -> Row:
    return Row(what, f"{ratio:.2f}", f"at least {bar:g}" if bar else "", ratio >= bar if bar else None)


def _at_most(what: str, ratio: float, bar: float) -> Row:
    return Row(what, f"{ratio:.3f}", f"at most {bar:g}", ratio <= bar)


if __name__ == "__main__":
    raise SystemExit(main())
