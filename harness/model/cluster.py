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
    at once. every_caller: whether a fault may hit all callers, instead of some by labels or headers.
    """

    dose: float = 1.0
    duration_s: float = 900.0
    faults: int = 3
    every_caller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """The ``cluster`` section of ``harness.yaml``.

    url: where load reaches the entry service, and the headers it needs (such as Host). contexts: names of kube
    contexts that may be used; empty allows any. uid: of the namespace kube-system, which tells one cluster from
    all others; empty allows any. opt_in: label (``key=value``) that the namespace must carry; empty asks for none.
    owners: controllers (such as argocd) that may own what is edited, because they leave our edits alone.
    prove: whether changes must be seen in the sidecars. live_within_s: how long they may take to get there.
    heartbeat_s: seconds between two signs of life; after four without one the reaper undoes everything.
    patience_s: how long an undo keeps trying when the API server does not answer.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    contexts: tuple[str, ...] = ()
    uid: str = ""
    opt_in: str = "canary-harness=enabled"
    owners: tuple[str, ...] = ()
    prove: bool = True
    live_within_s: float = 20.0
    heartbeat_s: float = 5.0
    patience_s: float = 120.0
    limits: Limits = Limits()
