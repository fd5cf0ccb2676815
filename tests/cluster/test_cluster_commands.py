"""The commands for clusters, from the outside: what they print, their exit codes, and what they leave."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_kubernetes import Call, FakeKubernetes
from shop import Open
from test_rights import role

from harness import gate
from harness.cli import main
from harness.clients.kubernetes.times import epoch, stamp
from harness.clients.processes.child import wait_until
from harness.config import read_config
from harness.errors import MeshError
from harness.mesh.cluster.mesh import ClusterMesh
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

CONFIG = """\
service: reviews
arms: {{baseline: v1, canary: v3}}
namespace: shop
target: cluster
services:
  ratings: {{versions: {{v1: {{}}}}}}
  reviews:
    calls: {{RATINGS_URL: ratings}}
    versions: {{v1: {{}}, v3: {{}}}}
cluster: {{kubeconfig: kubeconfig, heartbeat: 0.2s, live-within: 5s, patience: 3s{more}}}
"""
Command = Callable[..., int]


@pytest.fixture
def project(fake: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration for the fake cluster, which commands run in."""
    folder = tmp_path / "project"
    folder.mkdir()
    fake.kubeconfig(folder / "kubeconfig")
    (folder / "harness.yaml").write_text(CONFIG.format(more=""))
    (folder / "loadprofiles").mkdir()
    (folder / "loadprofiles" / "browse.py").write_text("")
    monkeypatch.chdir(folder)
    return folder


def _split(mesh: ClusterMesh, owner: str) -> tuple[Edit, ...]:
    split = Split(
        host="reviews",
        namespace="shop",
        baseline={"version": "v1"},
        canary={"version": "v3"},
        canary_share=0.5,
        owner=owner,
    )
    return tuple(split_edits(mesh.resources(), split))


@contextmanager
def left_behind(fake: FakeKubernetes, open_mesh: Open) -> Iterator[None]:
    """The cluster as a run that was killed while its split was live left it."""
    with open_mesh() as mesh, mesh.changed(_split(mesh, "dead"), name="split"):
        state = dict(fake.store.objects)
    fake.store.objects.update({key: value for key, value in state.items() if key[1] != "events"})
    yield


def renewed_at(fake: FakeKubernetes, run: str) -> float:
    """When a run last said that it lives, in epoch seconds of the server's clock."""
    return epoch(fake.object("Lease", f"harness-{run}-alive")["spec"]["renewTime"])


def test_plan_says_what_would_change_and_changes_nothing(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Differences, proxies, rights and lengths are printed; nothing but reads, reviews and dry runs is sent."""
    before = fake.specs()
    row = 'istio_requests_total{{reporter="source",destination_service="ratings.shop.svc.cluster.local"}} {}\n'
    fake.request_totals = {"reviews-1": row.format(30), "reviews-3": row.format(30), "productpage-1": row.format(20)}
    assert main(["plan", "--delay", "ratings=2s@50"]) == 0
    said = capsys.readouterr().out
    hit = "calls to ratings.shop.svc.cluster.local from reviews v1 (1 pod), reviews v3 (1 pod)"
    assert f"faults hit            {hit}; 75 % of the 80 calls to it that were counted so far" in said
    assert "+  - name: harness-plan-split-0" in said
    assert "x-harness-fault: plan/0" in said
    assert "affected proxies      productpage-1, ratings-1, reviews-1, reviews-3" in said
    assert "create pods/portforward" in said
    assert "routes of reviews     VirtualService shop/reviews" in said
    assert "what it can see" in said
    assert "nothing is in the way" in said
    assert fake.specs() == before
    assert [call for call in fake.calls if call.method != "GET" and not call.dry_run] == []


def test_plan_fails_on_what_is_in_the_way(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing opt-in, a missing right and an owner are all named at once."""
    (project / "harness.yaml").write_text(CONFIG.format(more=", opt-in: team=chaos"))
    assert main(["plan"]) == 12
    assert "kubectl label namespace shop team=chaos" in capsys.readouterr().out


def test_plan_makes_the_checks_that_make_a_run_refuse(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changes of a dead run, a host that a living run holds and a rollout under way are each in the way."""
    with left_behind(fake, open_mesh):
        lease = fake.object("Lease", "harness-dead-alive")
        fake.put({**lease, "spec": {**lease["spec"], "renewTime": stamp(time.time() + 300)}})
        assert main(["plan"]) == 12
        assert "reviews: expected no other run on it, found run dead" in capsys.readouterr().err
        fake.let_pass(310)
        assert main(["plan"]) == 12
        said = capsys.readouterr()
        assert "namespace shop: expected no change of a dead run, found split of run dead" in said.err
        assert "nothing is in the way" not in said.out
        assert main(["restore"]) == 0
    capsys.readouterr()
    status = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}
    fake.put({"kind": "Deployment", "metadata": {"name": "reviews-v1"}, "spec": {"replicas": 2}, "status": status})
    assert main(["plan"]) == 12
    assert "expected every Deployment to be settled, found reviews-v1" in capsys.readouterr().out


def test_inject_is_live_for_its_time_and_gone_after_it(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says when the fault is live and when it is gone, and the cluster is as before."""
    before, seen, left_s = fake.specs(), [], []

    def look(call: Call) -> None:
        if call.resource == "virtualservices" and call.method == "DELETE":
            seen.extend(item["metadata"]["name"] for item in fake.objects("VirtualService"))
            changes = [json.loads(item["data"]["change"]) for item in fake.objects("ConfigMap")]
            left_s.extend(change["expires_at"] - time.time() for change in changes)

    fake.before = look
    assert main(["inject", "delay", "ratings", "2s", "--percent", "50", "--from", "reviews", "--for", "1s"]) == 0
    said = capsys.readouterr().out
    assert "is live" in said
    assert "is undone and verified" in said
    assert any(name.endswith("-ratings") for name in seen)
    assert max(left_s) < 60  # the time to live is the fault's, and a little to prove it in
    assert fake.specs() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inject", "abort", "ratings", "often", "--from", "reviews"], "expected an HTTP status"),
        (["inject", "abort", "ratings", "600", "--from", "reviews"], "from 200 to 599"),
        (["inject", "delay", "ratings", "5 seconds", "--from", "reviews"], "duration"),
        (["inject", "delay", "ratings", "2s", "--percent", "150", "--from", "reviews"], "0 to 100"),
        (["inject", "delay", "ratings", "2s"], "every caller"),
        (
            ["inject", "delay", "ratings", "2s", "--from", "reviews", "--for", "0s"],
            "--for: expected a duration above 0 s",
        ),
        (["inject", "delay", "ratings", "2s", "--from", "reviews", "--for", "2h"], "cluster.limits.duration"),
        (
            ["inject", "delay", "ratings", "2s", "--from", "reviews", "--context", "none"],
            "kubeconfig: test; choose one with cluster.context in harness.yaml (commands: --context)",
        ),
        (["inject", "delay", "ratings", "2s", "--from", "reviews", "-n", "nowhere"], "expected the namespace nowhere"),
        (
            ["inject", "delay", "ratings", "2s", "--from", "nobody"],
            "expected the labels of one that calls, found pods of",
        ),
        (["inject", "delay", "nosuch", "2s", "--from", "reviews"], "knows nosuch.shop.svc.cluster.local"),
        (["faults", "--kubeconfig", "missing"], "no usable Kubernetes"),
        (["restore", "--config", "missing.yaml"], "missing.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_ends_before_anything_is_changed(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """Each is an error on standard error that says what was expected; nothing is written."""
    assert main(words) in (2, 12)
    assert message in capsys.readouterr().err
    assert [call for call in fake.calls if call.method != "GET" and not call.dry_run] == []


def test_an_unreachable_server_and_an_expired_token_are_told_apart(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The messages say what to look at; neither holds the token."""
    fake.kubeconfig(project / "kubeconfig", token="old-token")
    assert main(["faults"]) == 12
    said = capsys.readouterr().err
    assert "log in again" in said
    assert "old-token" not in said
    text = (project / "kubeconfig").read_text().replace(fake.url, "http://127.0.0.1:9")
    (project / "kubeconfig").write_text(text)
    assert main(["faults"]) == 12
    assert "is the API server up" in capsys.readouterr().err


def test_faults_lists_what_is_injected(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What, by whom, until when, whether the run lives, and how to undo it."""
    assert main(["faults"]) == 0
    assert "nothing is injected in namespace shop" in capsys.readouterr().out
    with left_behind(fake, open_mesh):
        fake.let_pass(5)
        assert main(["faults"]) == 0
    said = capsys.readouterr().out
    assert "run    dead, by" in said
    assert "silent for" in said
    assert "undo   harness restore --run dead --namespace shop" in said


def test_what_is_not_proven_is_not_said_to_be_live(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With cluster.prove: false the fault is sent, and nobody looked whether it arrived."""
    (project / "harness.yaml").write_text(CONFIG.format(more=", prove: false"))
    assert main(["inject", "delay", "ratings", "2s", "--from", "reviews", "--for", "0.2s"]) == 0
    said = capsys.readouterr().out
    assert "is sent, not verified (cluster.prove is false)" in said
    assert "is undone; the resources are verified, the proxies were not asked" in said
    assert "is live" not in said


def test_doctor_looks_at_the_cluster(fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each check has a line; ambient is named as what no fault works in, and nothing is written."""
    main(["doctor", "--target", "cluster"])
    said = capsys.readouterr().out
    assert "ok    namespace      shop is open for experiments" in said
    assert "ok    rights         all that every change needs" in said
    assert "ok    proxies        4, one was asked; Istio of unknown version" in said
    assert "ok    data plane     sidecars" in said
    assert [call for call in fake.calls if call.method != "GET"] == []


def test_a_fault_that_is_injected_by_hand_lasts_until_its_end(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The listed end is that of --for, and not when the reaper would undo it."""
    with open_mesh(hold_s=60.0) as mesh, mesh.changed(_split(mesh, "hand"), name="split"):
        assert main(["faults"]) == 0
    said = capsys.readouterr().out
    listed = re.search(r"until  (\S+) \(at the latest (\S+), by the reaper\)", said)
    assert listed is not None
    assert epoch(listed[1]) - time.time() == pytest.approx(60, abs=10)
    assert epoch(listed[2]) - time.time() == pytest.approx(900, abs=10)


def test_an_entry_where_nobody_listens_is_said_before_a_run(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run changes nothing then, and a plan names it."""
    url = "http://127.0.0.1:9/nobody"
    (project / "harness.yaml").write_text(CONFIG.format(more=f", url: '{url}'"))
    config = read_config(project / "harness.yaml")
    opened = gate.open_mesh(config, target="cluster", folder=tmp_path / "run")
    nobody = r"cluster\.url: expected somebody to listen at http://127\.0\.0\.1:9/nobody"
    with pytest.raises(MeshError, match=nobody), opened:
        pass
    assert [call for call in fake.calls if call.method != "GET"] == []
    assert main(["plan"]) == 12
    assert "in the way            cluster.url: expected somebody to listen" in capsys.readouterr().out


def test_restore_undoes_what_a_dead_run_left(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run says so first; a run in between refuses to start; restoring twice is fine."""
    before = fake.specs()
    with left_behind(fake, open_mesh):
        fake.let_pass(5)
        assert main(["restore", "--dry-run"]) == 0
        assert "dead: split by" in capsys.readouterr().out
        assert fake.specs() != before
        assert main(["inject", "delay", "ratings", "2s", "--from", "reviews"]) == 12
        assert "harness restore --run dead" in capsys.readouterr().err
        assert main(["restore"]) == 0
        assert "undone and verified" in capsys.readouterr().out
        assert fake.specs() == before
        assert main(["restore"]) == 0
        assert "nothing to undo" in capsys.readouterr().out


def test_the_commands_in_messages_work_as_they_are(
    fake: FakeKubernetes,
    open_mesh: Open,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command that a refusal names reverts the change from another folder, whatever the current context is."""
    before = fake.specs()
    with left_behind(fake, open_mesh):
        fake.let_pass(5)
        assert main(["inject", "delay", "ratings", "2s", "--from", "reviews"]) == 12
        command = shlex.split(capsys.readouterr().err.partition("first: harness ")[2])
        assert command[0] == "restore"
        elsewhere = project.parent / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("KUBECONFIG", str(fake.kubeconfig(elsewhere / "kubeconfig", token="other", context="other")))
        assert main(command) == 0
        assert fake.specs() == before


@pytest.mark.parametrize("command", [["faults"], ["restore"], ["restore", "--dry-run"], ["reaper", "--once"]])
def test_a_namespace_that_does_not_exist_is_not_said_to_be_clean(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """The API server lists nothing there, which is no answer to what is injected."""
    assert main([*command, "--namespace", "shopp"]) == 12
    said = capsys.readouterr()
    assert (
        "expected the namespace shopp, found none in context test; see kubectl get namespaces --context test"
        in said.err
    )
    assert "nothing" not in said.out


def test_restore_that_is_refused_says_so_with_its_exit_code(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With istiod's webhook down the commands to repair it by hand are printed, and the exit code is not 0."""
    with left_behind(fake, open_mesh):
        fake.store.webhook_down = True
        assert main(["restore", "--run", "dead"]) == 12
        assert (
            "kubectl edit virtualservice reviews --namespace shop --context test --kubeconfig"
            in capsys.readouterr().out
        )


def test_the_reaper_leaves_the_living_alone(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One look undoes dead runs and no others."""
    with open_mesh() as mesh, mesh.changed(_split(mesh, "alive"), name="split"):
        fake.let_pass(60)
        assert wait_until(lambda: renewed_at(fake, "alive") > time.time() + 50, timeout_s=30)
        assert main(["reaper", "--once"]) == 0
        mesh.check()
    with left_behind(fake, open_mesh):
        fake.let_pass(5)
        assert main(["reaper", "--once"]) == 0
        assert "dead: split: undone and verified" in capsys.readouterr().err
    assert fake.objects("ConfigMap") == []


def test_a_journal_that_cannot_be_read_does_not_keep_others_from_being_undone(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, left alone, and no run starts over it."""
    before = fake.specs()
    odd = {"name": "odd", "labels": {"canary-harness/journal": "true"}}
    with left_behind(fake, open_mesh):
        fake.put({"kind": "ConfigMap", "metadata": odd, "data": {"change": "{}"}})
        fake.let_pass(5)
        assert main(["reaper", "--once"]) == 0
    assert fake.specs() == before
    assert "ConfigMap odd" in capsys.readouterr().err
    assert fake.object("ConfigMap", "odd") is not None
    assert main(["inject", "delay", "ratings", "2s", "--from", "reviews"]) == 12
    assert "ConfigMap odd: journal: expected format 1 or 2" in capsys.readouterr().err


def test_a_killed_injection_is_undone_by_a_reaper_that_stays(fake: FakeKubernetes, project: Path) -> None:
    """Real processes: the injector is killed with SIGKILL, the running reaper puts the cluster back, and ends on SIGTERM."""
    before = fake.specs()
    (project / "harness.yaml").write_text(CONFIG.format(more=", watchdog: false"))
    command = [sys.executable, "-m", "harness"]
    reaper = subprocess.Popen([*command, "reaper", "--every", "0.2s"], stderr=subprocess.PIPE, text=True)
    inject = subprocess.Popen(
        [*command, "inject", "abort", "ratings", "503", "--from", "reviews", "--for", "60s"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert inject.stdout is not None
        assert "is live" in inject.stdout.readline()
        assert fake.specs() != before
        os.kill(inject.pid, signal.SIGKILL)
        assert reaper.stderr is not None
        assert any("undone and verified" in line for line in reaper.stderr)
        assert fake.specs() == before
        assert fake.objects("ConfigMap") == []
    finally:
        inject.kill()
        inject.communicate()
        reaper.terminate()
        reaper.communicate(timeout=30)
    assert reaper.returncode == 0


def test_by_hand_too_only_test_traffic_is_hit_where_that_is_said(
    fake: FakeKubernetes, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The injected route matches the injection's own baggage, which is printed; no caller need be named then."""
    (project / "harness.yaml").write_text(CONFIG.format(more=", only-test-traffic: true"))
    seen: list[str] = []

    def look(call: Call) -> None:
        if call.resource == "virtualservices" and call.method == "DELETE":
            made = [item for item in fake.objects("VirtualService") if item["metadata"]["name"].startswith("harness-")]
            seen.extend(str(item["spec"]["http"][0]["match"]) for item in made)

    fake.before = look
    assert main(["inject", "abort", "ratings", "503", "--for", "0.3s"]) == 0
    assert "only requests with the header 'baggage: harness.run=hand-" in capsys.readouterr().out
    assert all("harness\\\\.run=hand-" in match for match in seen), seen
    assert seen


def test_a_plan_that_nobody_could_judge_is_wrong_usage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objectives about answers to copies are refused before a run would refuse them."""
    file = project / "harness.yaml"
    file.write_text(file.read_text() + "split: {by: mirror}\n")
    assert main(["plan"]) == 2
    assert "split by mirror" in capsys.readouterr().err


def test_what_an_undo_could_not_see_is_said(
    fake: FakeKubernetes, open_mesh: Open, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reaper that may ask the sidecars says that they are clean; one that may not says which right it lacks."""
    before, kubeconfig = fake.specs(), project / "kubeconfig"
    roles = (role("reaper"), role("reaper") | role("reaper-proof"))
    for number, rules in enumerate(roles):
        fake.grant("reaper", f"reaper-token-{number}", rules)
        with left_behind(fake, open_mesh):
            fake.let_pass(5)
            fake.kubeconfig(kubeconfig, token=f"reaper-token-{number}")
            assert main(["reaper", "--once"]) == 0
            fake.kubeconfig(kubeconfig)
        assert fake.specs() == before
    said = capsys.readouterr().err
    assert "the proxies were not asked: rights are missing: list pods, create pods/portforward" in said
    assert "dead: split: undone and verified, in the proxies too" in said


def test_a_reaper_that_looks_once_fails_over_proxies_that_lag(
    fake: FakeKubernetes,
    open_mesh: Open,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The resources are reverted, and the exit code says that a sidecar still has the route."""
    before = fake.specs()
    (project / "harness.yaml").write_text(CONFIG.format(more="").replace("live-within: 5s", "live-within: 0.3s"))
    with left_behind(fake, open_mesh):
        fake.let_pass(5)
        stale = {name: fake.config_dump("shop", name) for name in ("reviews-1", "reviews-3")}
        monkeypatch.setattr(fake, "config_dump", lambda _, pod: stale.get(pod, {}))
        assert main(["reaper", "--once"]) == 12
    assert "pod reviews-3 still has harness-dead-split-0" in capsys.readouterr().err
    assert fake.specs() == before
