"""Ways out that leave a run no time for its undo: its watchdog reverts everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_kubernetes import Call, FakeKubernetes
from victims import Victims

SESSION = '''\
"""A test that holds a split and a fault live until it is ended."""

import os
import time
from pathlib import Path

import pytest
from faulting import fault_edits
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split
from harness.mesh.cluster.factory import opened
from harness.model.cluster import ClusterSettings
from harness.faults import abort

SETTINGS = ClusterSettings(kubeconfig=Path("kubeconfig"), heartbeat_s=0.5, patience_s=30, live_within_s=20)


@pytest.fixture
def held():
    with opened(SETTINGS, "shop", folder=Path("run"), tell=print) as mesh:
        arms = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
        split = split_edits(
            mesh.resources(), Split(host="reviews", namespace="shop", canary_share=0.5, owner="way", **arms)
        )
        with mesh.changed(split, name="split"):
            fault = fault_edits(abort("ratings", 503), mesh.resources(), namespace="shop",
                                caller_labels={"app": "reviews"}, owner="way", index=0)
            with mesh.changed(fault, name="fault"):
                Path("live").write_text(str(os.getpid()))
                yield


def test_hold(held):
    time.sleep(240)
'''


FAKES = Path(__file__).resolve().parents[1] / "fakes"


def ours(fake: FakeKubernetes) -> list[str]:
    """Names of journals and Leases that are left."""
    return [item["metadata"]["name"] for kind in ("ConfigMap", "Lease") for item in fake.objects(kind)]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold in time."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def session(fake: FakeKubernetes, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts pytest on the test that holds a fault live, and returns when it is."""
    (tmp_path / "test_hold.py").write_text(SESSION)
    fake.kubeconfig(tmp_path / "kubeconfig")

    def start(*options: str) -> subprocess.Popen[bytes]:
        only_the_test = ["-o", "timeout_func_only=true"]  # setting up may take long on a busy machine
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "test_hold.py",
            *only_the_test,
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": str(FAKES)}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert within(120, (tmp_path / "live").exists)
        return process

    return start


def test_a_time_out_that_ends_the_process_at_once_is_reverted(
    fake: FakeKubernetes, session: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """pytest-timeout's thread method calls os._exit: no fixture, no finally and no exit handler runs."""
    before = fake.specs()
    process = session("--timeout=2", "--timeout-method=thread")
    assert fake.specs() != before
    assert process.wait(120) == 1
    assert within(60, lambda: (fake.specs(), ours(fake)) == (before, []))
    assert within(10, lambda: "verified, in the proxies too" in (tmp_path / "run" / "watchdog.log").read_text())


def test_a_time_out_by_signal_leaves_through_the_undo(
    fake: FakeKubernetes, session: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """pytest-timeout's signal method raises in the test, which undoes everything itself."""
    before = fake.specs()
    assert session("--timeout=2", "--timeout-method=signal").wait(120) == 1
    assert (fake.specs(), ours(fake)) == (before, [])


def test_a_killed_worker_of_xdist_is_reverted(
    fake: FakeKubernetes, session: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """A worker that is killed has changed the cluster; its watchdog puts it back."""
    before = fake.specs()
    process = session("-n", "1", "--max-worker-restart=0")
    os.kill(int((tmp_path / "live").read_text()), signal.SIGKILL)
    assert within(60, lambda: (fake.specs(), ours(fake)) == (before, []))
    process.wait(120)


def test_ctrl_c_twice_leaves_through_the_undo(
    fake: FakeKubernetes, session: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """The second Ctrl-C, which comes while the first one's undo is under way, does not end it."""
    before, second = fake.specs(), []
    process = session()

    def again(call: Call) -> None:
        if call.method in ("PUT", "DELETE") and call.resource in ("virtualservices", "destinationrules"):
            second.append(call.method)
            process.send_signal(signal.SIGINT)

    fake.before = again
    process.send_signal(signal.SIGINT)
    assert process.wait(120) in (2, -signal.SIGINT)  # pytest's own code, or Python's where pytest was on its way out
    assert len(second) >= 2
    assert (fake.specs(), ours(fake)) == (before, [])


def test_a_run_killed_at_any_write_is_reverted_by_its_watchdog(fake: FakeKubernetes, tmp_path: Path) -> None:
    """SIGKILL before and after single writes: nobody's help is needed while the machine lives."""
    before, folder = fake.specs(), tmp_path / "victim"
    folder.mkdir()
    kubeconfig = fake.kubeconfig(tmp_path / "config", token="victim-token")
    fake.tokens["victim-token"] = "victim"
    fake.admins.add("victim")
    with Victims() as victims:
        for side, wanted in (
            ("before", ("virtualservices", "DELETE")),
            ("after", ("virtualservices", "PUT")),
            ("after", ("configmaps", "POST")),
        ):
            killed: list[int] = []

            def kill(call: Call, wanted: tuple[str, str] = wanted, killed: list[int] = killed) -> str | None:
                if call.user != "victim" or killed or call.dry_run or (call.resource, call.method) != wanted:
                    return None
                killed.append(1)
                os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
                return "drop"

            setattr(fake, side, kill)
            assert victims.run(kubeconfig, folder, watchdog=True) == -signal.SIGKILL
            assert within(60, lambda: (fake.specs(), ours(fake)) == (before, []))
            setattr(fake, side, lambda call: None)
