"""Master and workers as separate processes on loopback, as they run in a cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from load_runs import READ, plan, run_command

from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import free_ports
from harness.errors import LoadError
from harness.load.parent.proofs import load_proofs
from harness.load.parent.remote import RemoteRun
from harness.load.protocol.child_spec import encode_spec
from harness.model.load import LoadPlan


class Cluster:
    """Starts the processes that the Jobs would start."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self.folder = stack, folder
        self.link, self.files = free_ports(2)
        self.processes: list[Process] = []

    def run(self, load: LoadPlan, *, workers: int) -> RemoteRun:
        """Start a master and its workers; returns once load is being sent."""
        (self.folder / "spec.json").write_text(encode_spec(load))
        self._profile = load.profile
        self.add("master", "--workers", str(workers), "--files-port", str(self.files))
        for _ in range(workers):
            self.add("worker")
        mirror = self.folder / "mirror"
        mirror.mkdir()
        master = f"http://127.0.0.1:{self.files}"

        def fetch(path: str) -> bytes:
            with urllib.request.urlopen(master + path, timeout=5) as answer:
                return answer.read()

        def serves() -> bool:
            try:
                return bool(fetch("/state"))
            except OSError:
                return False

        assert wait_until(serves, timeout_s=120)
        run = RemoteRun(load, mirror, fetch)
        run.wait_for_start(120)
        return run

    def add(self, role: str, *words: str, profile: Path | None = None) -> Process:
        """Start one more pod."""
        number = len(self.processes)
        folder = self.folder / f"pod-{number}"
        command = [
            sys.executable, "-m", "harness.load.child.pod", role, "--spec", str(self.folder / "spec.json"), "--profile",
            str(profile or self._profile), "--folder", str(folder), "--port", str(self.link), *words,
        ]  # fmt: skip
        process = start(command, name=role, log=self.folder / f"pod-{number}.log")
        self._stack.callback(process.stop, 0.5)
        self.processes.append(process)
        return process


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    """A cluster whose processes end with the test."""
    with ExitStack() as stack:
        yield Cluster(stack, tmp_path)


def failed(run: RemoteRun) -> list[str]:
    """Return the names of the failed proofs, except those that fail on a busy machine."""
    busy = {"load on time", "load generator's CPU"}
    return [proof.name for proof in load_proofs(run.finish()) if not proof.held and proof.name not in busy]


def ended(run: RemoteRun) -> Callable[[], bool]:
    """Return a condition for wait_until."""
    return lambda: not run.running()


def test_samples_of_all_workers_arrive_over_locusts_connection(cluster, target, profile):
    """Without a failure, the planned, recorded, Locust's and the service's numbers are equal."""
    run = cluster.run(plan(profile(READ), target.url, rate=300, seconds=2), workers=2)
    assert wait_until(lambda: len(run.samples()) > 200, timeout_s=60)
    assert wait_until(ended(run), timeout_s=120)
    report = run.finish()
    assert [600] * 4 == [report.planned, report.recorded, report.counted, target.seen()["count"]]
    assert failed(run) == []
    assert (report.workers, report.workers_alive) == (2, 2)
    assert run.samples().operations == ("/reviews",)
    assert sorted(run.samples().due_s) == pytest.approx([number / 300 for number in range(600)], abs=1e-6)


BATCH = """
import locust
import numpy as np
from harness.load.child.sample_upload import pack, unpack
from harness.load.protocol.sample_reader import RECORD_TYPE

for count in (0, 1, 100, 1000):
    draw, records = np.random.default_rng(1), np.zeros(count, RECORD_TYPE)
    records["due_s"] = 3000 + np.cumsum(draw.exponential(1e-3, count))
    records["latency_s"] = draw.lognormal(-4, 0.6, count)
    records["late_s"] = draw.lognormal(-9.5, 0.8, count)
    records["size"], records["operation"] = draw.integers(200, 20_000, count), draw.integers(0, 8, count)
    records["status"], records["arm"] = draw.choice([200, 503], count, p=[0.99, 0.01]), draw.integers(0, 2, count)
    ended = records[np.argsort(records["due_s"] + records["latency_s"])]
    batch = pack(ended)
    back = unpack(batch, count)
    for name in RECORD_TYPE.names[:-1]:
        assert np.allclose(back[name], records[name], rtol=0, atol=1e-6), name
print(len(batch) / count)
"""


def test_an_uploaded_sample_takes_at_most_eight_bytes():
    """The samples are harder to compress than real ones: Poisson arrivals, eight operations, varying sizes."""
    assert float(run_command([sys.executable, "-c", BATCH]).stdout) <= 8


def test_a_killed_worker_makes_the_load_inconclusive_and_its_samples_are_kept(cluster, target, profile):
    """The other worker continues to the end; the report counts the dead one."""
    run = cluster.run(plan(profile(READ), target.url, rate=200, seconds=4), workers=2)
    assert wait_until(lambda: len(run.samples()) > 100, timeout_s=60)
    os.kill(cluster.processes[2].pid, signal.SIGKILL)
    assert wait_until(ended(run), timeout_s=120)
    report = run.finish()
    assert {"load sent", "load workers alive"} <= set(failed(run))
    assert (report.workers, report.workers_alive) == (2, 1)
    assert 400 <= report.recorded < 800


def test_a_worker_that_connects_late_makes_the_load_inconclusive(cluster, target, profile):
    """It gets no part of the plan, and the samples of the other workers are kept."""
    run = cluster.run(plan(profile(READ), target.url, rate=100, seconds=600), workers=1)
    cluster.add("worker")
    log = cluster.folder / "mirror" / "locust.log"
    assert wait_until(lambda: len(run.samples()) > 100 and "2 workers connected" in log.read_text(), timeout_s=120)
    report = run.finish()
    assert failed(run) == ["load workers alive"]
    assert (report.workers, report.workers_alive) == (2, 1)
    assert report.planned == report.recorded == target.seen()["count"]
    assert any("connected after the start" in note for note in report.notes)


def test_a_killed_master_ends_its_workers_and_keeps_the_received_samples(cluster, target, profile):
    """It raises an error at once, keeps the samples so far, and workers without a master stop sending."""
    run = cluster.run(plan(profile(READ), target.url, rate=100, seconds=600), workers=2)
    assert wait_until(lambda: len(run.samples()) > 100, timeout_s=60)
    cluster.processes[0].stop(0)
    with pytest.raises(LoadError, match="master cannot be reached"):
        wait_until(ended(run), timeout_s=60)
    report = run.finish()
    assert report.recorded > 100
    assert {"load sent", "samples counted", "load workers alive"} <= set(failed(run))
    assert wait_until(lambda: not any(process.running() for process in cluster.processes), timeout_s=60)


def test_a_masters_port_in_use_is_an_error_and_leaves_no_process(cluster, target, profile):
    """If the port of its recordings is in use, the master starts nothing."""
    (cluster.folder / "spec.json").write_text(encode_spec(plan(profile(READ), target.url)))
    with socket.create_server(("127.0.0.1", cluster.files)):
        master = cluster.add("master", "--files-port", str(cluster.files), profile=profile(READ))
        assert wait_until(lambda: not master.running(), timeout_s=60)
    assert master.exit_code == 1
    assert f"--files-port {cluster.files}: expected a free port" in master.tail()
    linked = [
        process for process in psutil.process_iter(["cmdline"]) if str(cluster.link) in (process.info["cmdline"] or [])
    ]
    assert linked == []


def test_a_master_without_its_workers_gives_up(cluster, target, profile):
    """It sends nothing before all workers are connected; the error says what is missing."""
    load = plan(profile(READ), target.url)
    (cluster.folder / "spec.json").write_text(encode_spec(load))
    cluster.folder.joinpath("mirror").mkdir()
    with pytest.raises(LoadError, match=r"expected the first samples of all workers within 2 s"):
        RemoteRun(load, cluster.folder / "mirror", lambda path: b'{"files": {}, "exit_code": null}').wait_for_start(2)
