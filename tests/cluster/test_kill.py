"""SIGKILL at every request of a run, before and after the server carried out each write: the cluster is always restored."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from api_subject import REAL, SERVERS
from fake_kubernetes import Call, FakeKubernetes, fake_kubernetes
from real_store import real_store
from shop import SHOP, route_to
from victims import Victims

from harness.clients.kubernetes.api import Kubernetes, ignore
from harness.mesh.cluster.recovery.journal import journalled, left_on_disk
from harness.mesh.cluster.recovery.reaping import reap, restore

VICTIM = "victim"
MOMENTS_WANTED = 150
pytestmark = pytest.mark.timeout(1800)  # hundreds of runs, slow on a busy machine


@pytest.fixture(params=SERVERS)
def fake(request: pytest.FixtureRequest) -> Iterator[FakeKubernetes]:
    """The shop on the fake API server, and on a real one where HARNESS_TEST_KUBECONFIG names it."""
    with ExitStack() as stack:
        store = stack.enter_context(real_store(Path(REAL))) if request.param == "real" else None
        server = stack.enter_context(fake_kubernetes(store))
        server.put(*SHOP)
        yield server


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    """The process that forks victims."""
    with Victims() as forking:
        yield forking


class Executioner:
    """Counts the moments of a victim's run and kills at one.

    There is one before each request, and one after each request that changes something: nobody can tell a kill after a
    read from one before it.
    """

    def __init__(self, fake: FakeKubernetes, folder: Path, signal_number: int = signal.SIGKILL) -> None:
        self.folder, self.signal = folder, signal_number
        self.at, self.moments, self.killed_at_write = -1, 0, False
        self.writes: set[int] = set()
        folder.mkdir(exist_ok=True)
        fake.tokens["victim-token"] = VICTIM
        fake.admins.add(VICTIM)
        fake.before, fake.after = self._moment, self._moment_after
        self.kubeconfig = fake.kubeconfig(folder / "config", token="victim-token")

    def aim(self, at: int) -> None:
        """Kill at the ``at``-th moment; -1 spares the victim."""
        self.at, self.moments = at, 0
        self.writes = set()
        for file in self.folder.glob("*.jsonl"):
            file.unlink()

    def worth_killing(self, every_read: int) -> list[int]:
        """The moments of the last run: both at each write, and every so many of the reads, which change nothing."""
        return [at for at in range(self.moments) if at in self.writes or at % every_read == 0]

    def _moment_after(self, call: Call) -> str | None:
        return self._moment(call) if changes(call) else None

    def _moment(self, call: Call) -> str | None:
        if call.user != VICTIM:
            return None
        if changes(call):
            self.writes.add(self.moments)
        self.moments += 1
        if self.moments - 1 != self.at:
            return None
        self.killed_at_write = changes(call)
        os.kill(int((self.folder / "pid").read_text()), self.signal)
        return "drop" if self.signal == signal.SIGKILL else None


def changes(call: Call) -> bool:
    """Whether the request changes an object; a review of rights is sent as a POST but changes none."""
    return call.method != "GET" and not call.dry_run and not call.resource.endswith("reviews")


def ours(fake: FakeKubernetes) -> list[str]:
    """Names of journals and Leases that are left."""
    return [item["metadata"]["name"] for kind in ("ConfigMap", "Lease") for item in fake.objects(kind)]


@pytest.mark.parametrize("every_read", [15, pytest.param(1, marks=pytest.mark.slow)])
def test_kill_at_every_request_then_restore(  # noqa: PLR0917 - fixtures
    fake: FakeKubernetes,
    kube: Kubernetes,
    victims: Victims,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    every_read: int,
) -> None:
    """Whenever a run is killed, restoring puts every resource back to the last key and leaves nothing of ours.

    So does a second restorer, when the first one is killed at any of its requests. The short form kills at every write,
    before and after it, and at each fifteenth read: a kill at one of the others finds the same cluster.
    """
    before, executioner = fake.specs(), Executioner(fake, tmp_path / "victim")
    config, folder = executioner.kubeconfig, executioner.folder

    def kill(at: int, *, restores: bool = False) -> bool:
        executioner.aim(at)
        assert victims.run(config, folder, restores=restores) == -signal.SIGKILL
        return executioner.killed_at_write

    def revert_all() -> None:
        assert [
            item.trouble for item in reap(kube, "shop", patience_s=5, living=True, settle=ignore) if item.trouble
        ] == []
        assert (fake.specs(), ours(fake)) == (before, [])

    executioner.aim(-1)
    assert victims.run(config, folder) == 0
    assert (fake.specs(), ours(fake)) == (before, [])
    moments, at_writes, changed = executioner.moments, 0, 0
    of_runs = executioner.worth_killing(every_read)
    for at in of_runs:
        at_writes += kill(at)
        changed += fake.specs() != before
        revert_all()
    kill(moments // 2)
    executioner.aim(-1)
    assert victims.run(config, folder, restores=True) == 0
    restorers = executioner.moments
    of_restorers = executioner.worth_killing(every_read)
    for at in of_restorers:
        kill(moments // 2)
        at_writes += kill(at, restores=True)
        revert_all()
    kills = len(of_runs) + 2 * len(of_restorers) + 1
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kills} kills: {len(of_runs)} of runs, {len(of_restorers)} of restorers of killed runs; {at_writes} at writes; "
            f"{changed} runs left resources changed; all were reverted\n"
        )
    assert moments + restorers >= MOMENTS_WANTED


def test_kill_between_then_reaper_next_to_foreign_edits(
    fake: FakeKubernetes, kube: Kubernetes, victims: Victims, tmp_path: Path
) -> None:
    """After a kill in the middle, and a foreign edit, the reaper waits for the silence and keeps the foreign edit."""
    executioner = Executioner(fake, tmp_path / "victim")
    executioner.aim(-1)
    victims.run(executioner.kubeconfig, executioner.folder)
    executioner.aim(executioner.moments // 2)
    assert victims.run(executioner.kubeconfig, executioner.folder, heartbeat_s=0.25) == -signal.SIGKILL
    assert [item["name"] for item in _routes(fake) if item.get("name", "").startswith("harness-")]
    assert reap(kube, "shop", patience_s=5) == ()
    changed, theirs = deepcopy(fake.object("VirtualService", "reviews")), {"name": "theirs", "redirect": {"uri": "/"}}
    changed["spec"]["http"].insert(1, {**theirs, "match": [{"uri": {"exact": "/x"}}]})
    fake.put(changed)
    fake.let_pass(5)
    done = reap(kube, "shop", patience_s=5)
    assert {item.change.name for item in done} >= {"split"}
    assert "silent" in done[-1].reason
    assert _routes(fake) == [{**theirs, "match": [{"uri": {"exact": "/x"}}]}, *route_to("reviews")["spec"]["http"]]
    assert ours(fake) == []


def test_restore_from_the_local_journal_when_the_clusters_is_lost(
    fake: FakeKubernetes, kube: Kubernetes, victims: Victims, tmp_path: Path
) -> None:
    """The file on disk is enough to put everything back."""
    before, executioner = fake.specs(), Executioner(fake, tmp_path / "victim")
    executioner.aim(-1)
    victims.run(executioner.kubeconfig, executioner.folder)
    executioner.aim(executioner.moments // 2)
    victims.run(executioner.kubeconfig, executioner.folder)
    for item in fake.objects("ConfigMap"):
        kube.delete({"kind": "ConfigMap", **item})
    assert journalled(kube, "shop") == ()
    for namespace, change in left_on_disk(executioner.folder / "journal.jsonl"):
        assert restore(kube, namespace, change, reason="test", patience_s=5).trouble == ""
    assert fake.specs() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signals_leave_through_the_undo(
    fake: FakeKubernetes, victims: Victims, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C, SIGTERM and SIGHUP at any moment end the run with everything back, without anybody's help."""
    before, executioner = fake.specs(), Executioner(fake, tmp_path / "victim", number)
    executioner.aim(-1)
    victims.run(executioner.kubeconfig, executioner.folder)
    for at in range(0, executioner.moments, 17):
        executioner.aim(at)
        victims.run(executioner.kubeconfig, executioner.folder)
        assert (at, fake.specs(), ours(fake)) == (at, before, [])


def _routes(fake: FakeKubernetes) -> list[Any]:
    routes: list[Any] = fake.object("VirtualService", "reviews")["spec"]["http"]
    return routes
