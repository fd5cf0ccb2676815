"""Settings of a cluster: how it is reached and what may be done to it. The defaults are the safe ones."""

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

    dose: the largest share of requests that a fault may hit, in (0, 1]. total_dose: the largest sum of the doses of all
    faults that are live at the same time, above 0; a condition counts as 1. duration_s: the longest time that a change
    may stay live; the reaper undoes it after that. faults: the largest number of faults that are live at the same time.
    restarts: the number of container restarts in the namespace during a run that ends it when it is exceeded.
    every_caller: whether a fault may hit all callers, instead of some by their labels or headers.
    """

    dose: float = 1.0
    total_dose: float = 3.0
    duration_s: float = 900.0
    faults: int = 3
    restarts: int = 3
    every_caller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy whose admin port can be reached directly, such as on a virtual machine. labels: those of its workload."""

    name: str
    url: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The ``cluster`` section of ``harness.yaml``.

    url: where load reaches the entry service. headers: headers that requests to it need, such as Host.
    contexts: names of the kube contexts that may be used; empty allows any. uid: the uid of the namespace kube-system
    of the only cluster that may be used; empty allows any. opt_in: the label (``key=value``) that the namespace must
    have; empty requires none.
    gateway: the Istio gateway that load comes through, as VirtualServices name it; ``mesh`` if load starts in the mesh.
    load_workload: the proxies' name for the workload that load comes from (``source_workload``).
    probe: a path at ``url`` that passes the service under test, requested when its route is bound to a gateway.
    istiod: the URL of istiod's debug port. It is asked for the configuration that it sent and whether proxies
    acknowledged it, instead of the pods for the configuration that they have.
    proxies: proxies to ask for configuration and counters; if empty, the sidecars of the namespace's pods are asked.
    only_test_traffic: split and fault only requests with the run's W3C baggage, so that real users are not affected.
    Services must pass ``baggage`` on for faults on their calls. Proxies do not count test traffic separately, so the
    dose is proven over the run's part of an arm's calls, which is taken to be its part of the arm's requests.
    fresh_arms: compare new copies of both builds, made at the same time, instead of the running pods. copied: the
    versions that were copied, set when they have been. ready_within_s: how long new pods may take to become ready.
    owners: controllers (such as argocd) that may own what is edited, because they leave these edits alone.
    prove: whether changes must be seen in the sidecars. live_within_s: how long a change may take to get there.
    heartbeat_s: seconds between two signs of life; the reaper undoes the changes of a run that misses four of them.
    patience_s: how long an undo is tried again while the API server does not answer.
    watchdog: whether a separate process undoes every change when the run is killed.
    hold_s: how long a fault that is injected by hand stays live, for the journal; None where phases say it.
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
    hold_s: float | None = None
    limits: Limits = Limits()
