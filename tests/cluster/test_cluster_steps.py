"""Steps of a cluster beyond routes: traffic policies proven by content, objects of their own, and actions."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import Call, FakeKubernetes
from shop import Open

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import MeshError, RollbackError, UsageError
from harness.mesh.cluster.recovery.journal import journalled
from harness.mesh.cluster.recovery.reaping import reap
from harness.model.cluster import Limits
from harness.model.declared import Declared, Scope
from harness.model.step import Act, Action, Edit, Ref, Verb
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Aim, NotExpressible, PolicyChange, Split

SAID = Declared(id="pool-0", kind="pool", host="reviews", text="pool(reviews, 1)", scope=Scope(every_caller=True))
ANYBODY = Limits(every_caller=True)
POOL = {"connectionPool": {"http": {"http1MaxPendingRequests": 1}}}
SETTLED = {"observedGeneration": 99, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def pool_edit(resources: Any, **given: Any) -> Edit:
    """A small pool for connections to reviews."""
    aim = Aim(declared=SAID, namespace="shop", owner="r1", index=0)
    made = IstioRouting().change(resources, PolicyChange(policy=POOL, **given), aim)
    assert isinstance(made, Edit)
    return made


def deployment(wanted: int = 2, **status: int) -> Any:
    """Ratings, settled."""
    labels = {"app": "ratings"}
    spec = {"replicas": wanted, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    metadata = {"name": "ratings-v1", "namespace": "shop"}
    return {"kind": "Deployment", "metadata": metadata, "spec": spec, "status": {**SETTLED, **status}}


def obey(fake: FakeKubernetes, *, ready: int = 99) -> None:
    """From now on a controller makes as many pods as each Deployment wants. ready: how many can become ready."""

    def settle(call: Call) -> None:
        for item in fake.objects("Deployment") if call.method in {"PUT", "POST"} else ():
            count = item["spec"]["replicas"]
            item["status"].update(replicas=count, updatedReplicas=count, availableReplicas=min(count, ready))

    fake.after = settle


def freeze(fake: FakeKubernetes) -> None:
    """From now on the proxies keep the clusters that they have."""
    stuck = deepcopy(fake.clusters_dump())
    fake.clusters_dump = lambda: stuck


def scale(to: int, *, now: int = 2) -> Action:
    """Fewer replicas of ratings."""
    target = Ref(kind="Deployment", namespace="shop", name="ratings-v1")
    there, back = ({"from": now, "replicas": to}, {"from": to, "replicas": now})
    return Action(
        owner="r1",
        declared=dataclasses.replace(SAID, id="scale-0", kind="scale", host="ratings"),
        act=Act(verb=Verb.SCALE, target=target, args=there),
        undo=Act(verb=Verb.SCALE, target=target, args=back),
    )


@pytest.mark.parametrize("pods", [None, {"version": "v1"}], ids=["every pod", "one subset"])
def test_a_traffic_policy_is_proven_by_what_the_proxies_have(fake: FakeKubernetes, open_mesh: Open, pods: Any) -> None:
    """The subset was there before; only its content tells whether the change has arrived, and whether it is gone."""
    before = fake.specs()
    with open_mesh(limits=ANYBODY) as mesh:
        with mesh.changed([pool_edit(mesh.resources(), pods=pods)], name="pool") as change:
            assert before != fake.specs()
            assert "in 4 proxies" in change.proof
        assert change.rollback is not None
        assert change.rollback.verified
    assert before == fake.specs()


def test_a_policy_that_the_proxies_do_not_have_is_not_in_force(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Its subset has the right name in every proxy; that proves nothing."""
    before = fake.specs()
    fake.stale_policies = True
    with open_mesh(live_within_s=0.5, limits=ANYBODY) as mesh:
        edit = pool_edit(mesh.resources(), pods={"version": "v1"})
        lacks = pytest.raises(MeshError, match=r"lacks v1\|reviews.shop.svc.cluster.local with .*max_pending_requests")
        with lacks, mesh.changed([edit], name="pool"):
            pytest.fail("a change that is not in force must not be entered")
    assert before == fake.specs()


def test_a_policy_that_stays_in_the_proxies_is_not_undone(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The resource is as before, and the rollback says that the proxies are not."""
    with open_mesh(live_within_s=0.5, limits=ANYBODY) as mesh:
        edit = pool_edit(mesh.resources())
        with pytest.raises(RollbackError, match="still has"), mesh.changed([edit], name="pool"):
            freeze(fake)


def test_a_policy_holds_for_everybody_so_it_cannot_be_narrowed(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The routing API says so instead of hitting others."""
    aim = Aim(
        declared=dataclasses.replace(SAID, scope=Scope(labels={"app": "reviews"})),
        namespace="shop",
        owner="r1",
        index=0,
    )
    found = IstioRouting().change([], PolicyChange(policy=POOL), aim)
    assert isinstance(found, NotExpressible)
    assert "cannot be narrowed" in found.why


def test_an_object_of_its_own_is_made_and_deleted(fake: FakeKubernetes, open_mesh: Open) -> None:
    """No proxy shows a NetworkPolicy, and the proof says so; the fault itself must count what it hit."""
    resource = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "harness-r1-cut", "namespace": "shop", "labels": {"canary-harness/owner": "r1"}},
        "spec": {"podSelector": {"matchLabels": {"app": "ratings"}}, "policyTypes": ["Ingress"]},
    }
    said = dataclasses.replace(SAID, kind="cut", host="ratings")
    edit = Edit(
        kind="NetworkPolicy", namespace="shop", name="harness-r1-cut", owner="r1", declared=said, create=resource
    )
    with open_mesh(limits=ANYBODY) as mesh:
        with mesh.changed([edit], name="cut") as change:
            assert fake.object("NetworkPolicy", "harness-r1-cut") is not None
            assert "no proxy shows objects of this kind" in change.proof
        assert change.rollback is not None
        assert change.rollback.verified
    assert [] == fake.objects("NetworkPolicy")


def test_an_action_is_carried_out_and_reverted(fake: FakeKubernetes, open_mesh: Open) -> None:
    """It is journalled first, like every step."""
    fake.put(deployment())
    obey(fake)
    with open_mesh(limits=ANYBODY) as mesh:
        with mesh.changed([scale(0)], name="scale ratings") as change:
            assert 0 == fake.object("Deployment", "ratings-v1")["spec"]["replicas"]
            (journal,) = fake.objects("ConfigMap")
            assert "action" in json.loads(journal["data"]["change"])["steps"][0]
        assert change.rollback is not None
        assert change.rollback.verified
    assert 2 == fake.object("Deployment", "ratings-v1")["spec"]["replicas"]
    assert [] == fake.objects("ConfigMap")


def test_the_reaper_reverts_the_action_of_a_dead_run(
    fake: FakeKubernetes, open_mesh: Open, kube: Kubernetes, tmp_path: Path
) -> None:
    """From the journal alone; replicas that somebody else set meanwhile stay theirs."""
    obey(fake)
    for theirs, expected in ((None, 2), (5, 5)):
        fake.put(deployment())
        with open_mesh(limits=ANYBODY) as mesh:
            live = mesh.changed([scale(0)], name="scale ratings")
            live.__enter__()
            if theirs is not None:
                fake.put(deployment(theirs))
            (entry,) = journalled(kube, "shop")
            assert scale(0) == entry.steps[0]
            (done,) = reap(kube, "shop", patience_s=3, living=True)
            assert "" == done.trouble
            assert expected == fake.object("Deployment", "ratings-v1")["spec"]["replicas"]
            live.__exit__(None, None, None)


def test_an_eviction_heals_by_itself(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The pod as it was is gone; leaving waits until every Deployment is settled again."""
    fake.put(deployment())
    pod = fake.object("Pod", "ratings-1")
    assert pod is not None
    uid = pod["metadata"]["uid"]
    evict = Action(
        owner="r1",
        declared=dataclasses.replace(SAID, id="evict-0", kind="evict", host="ratings"),
        act=Act(verb=Verb.EVICT, target=Ref(kind="Pod", namespace="shop", name="ratings-1", uid=uid)),
        heals_within_s=20.0,
    )
    with open_mesh(limits=ANYBODY) as mesh:
        with mesh.changed([evict], name="evict ratings") as change:
            assert fake.object("Pod", "ratings-1") is None
            fake.put(deployment(availableReplicas=1))
            threading.Timer(0.5, lambda: fake.put(deployment())).start()
            started = time.monotonic()
        assert time.monotonic() - started > 0.4
        assert change.rollback is not None
        assert change.rollback.verified


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.RESTART])
def test_a_verb_that_a_cluster_does_not_have_is_refused_by_name(
    fake: FakeKubernetes, open_mesh: Open, verb: Verb
) -> None:
    """Before anything is changed, with the ones it has."""
    action = dataclasses.replace(scale(0), act=dataclasses.replace(scale(0).act, verb=verb))
    refused = pytest.raises(UsageError, match=f"{verb} .*scale Deployment, evict Pod")
    with open_mesh(limits=ANYBODY) as mesh, refused, mesh.changed([action], name="no"):
        pytest.fail("must not be entered")
    assert [] == fake.objects("ConfigMap")


def test_an_undo_tries_every_step_although_one_resource_is_misshapen(fake: FakeKubernetes, open_mesh: Open) -> None:
    """What nobody can read any more is reported with the commands; the other step is undone."""
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    with open_mesh(patience_s=0.2) as mesh:
        split = Split(host="ratings", namespace="shop", canary_share=0.5, owner="r1", **arms)
        edits = mesh.routing.split(mesh.resources(), split)
        assert ["DestinationRule", "VirtualService"] == [edit.kind for edit in edits]
        live = mesh.changed(edits, name="split")
        live.__enter__()
        broken = fake.object("VirtualService", edits[1].name)
        assert broken is not None
        broken["metadata"]["labels"] = ["a server would not let that in"]
        with pytest.raises(RollbackError, match=r"labels: expected an object[\s\S]*kubectl delete virtualservice"):
            live.__exit__(None, None, None)
    assert fake.object("VirtualService", edits[1].name) is not None
    assert fake.object("DestinationRule", edits[0].name) is None
