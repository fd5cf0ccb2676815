"""How a cluster is reached, and the limits that hold on it; the defaults are the safe ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REFUSED_NAMESPACES = frozenset(
    {"istio-system", "istio-gateway", "istio-ingress", "kube-system", "kube-public", "kube-node-lease"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What no run may exceed.

    dose: largest share of requests that a fault may hit, in (0, 1]. duration_s: longest time that a change
    may stay live; its time to live in the cluster, after which the reaper undoes it. faults: most faults live
    at once. restarts: of containers in the namespace during a run, beyond which it is ended. every_caller: whether a fault may hit all callers, instead of some by labels or headers.
    """

    dose: float = 1.0
    duration_s: float = 900.0
    faults: int = 3
    restarts: int = 3
    every_caller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy whose admin port can be reached directly, such as on a virtual machine. labels: of its workload."""

    name: str
    url: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The ``cluster`` section of ``harness.yaml``.

    url: where load reaches the entry service, and the headers it needs (such as Host). contexts: names of kube
    contexts that may be used; empty allows any. uid: of the namespace kube-system, which tells one cluster from
    all others; empty allows any. opt_in: label (``key=value``) that the namespace must carry; empty asks for none.
    gateway: the Istio gateway that load comes through, as VirtualServices name it; ``mesh`` when it starts in the mesh.
    load_workload: what the proxies call the workload that load comes from (``source_workload``).
    probe: path at ``url`` that passes the service under test, asked when its route is bound to a gateway.
    istiod: URL of istiod's debug port, asked for the pods' configuration instead of the pods themselves; that
    is what it sent them, a weaker proof. proxies: ask these for configuration and counts; empty asks the sidecars of the namespace's pods.
    only_test_traffic: split and fault only requests with the run's W3C baggage, so that real users see nothing of it;
    services must pass ``baggage`` on for faults on their calls. Proxies do not count whose a call is, so the dose is proven
    over the part of an arm's calls that the run's requests are of the arm's requests.
    fresh_arms: compare new copies of both builds, made at the same time, instead of what runs. copied: the versions
    that they copy, filled in when they are. ready_within_s: how long new pods may take.
    owners: controllers (such as argocd) that may own what is edited, because they leave our edits alone.
    prove: whether changes must be seen in the sidecars. live_within_s: how long they may take to get there.
    heartbeat_s: seconds between two signs of life; after four without one the reaper undoes everything.
    patience_s: how long an undo keeps trying when the API server does not answer.
    watchdog: whether a process beside the run puts everything back when the run is killed.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    gateway: str = "mesh"
    load_workload: str = "loadgenerator"
    probe: str = "/"
    istiod: str | None = None
    proxies: tuple[Proxy, ...] = ()
    contexts: tuple[str, ...] = ()
    uid: str = ""
    opt_in: str = "canary-harness=enabled"
    owners: tuple[str, ...] = ()
    only_test_traffic: bool = False
    fresh_arms: bool = False
    copied: tuple[str, ...] = ()
    ready_within_s: float = 180.0
    prove: bool = True
    live_within_s: float = 20.0
    heartbeat_s: float = 5.0
    patience_s: float = 120.0
    watchdog: bool = True
    limits: Limits = Limits()
